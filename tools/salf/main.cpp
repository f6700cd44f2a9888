// The program: picks the command, and turns errors into exit codes.
#include <cstdio>
#include <exception>
#include <functional>
#include <new>
#include <string>
#include <vector>

#include "app/version.h"
#include "commands/analyze.h"
#include "commands/bench.h"
#include "commands/compare.h"
#include "commands/eval.h"
#include "commands/export.h"
#include "commands/import.h"
#include "commands/inspect.h"
#include "commands/plan.h"
#include "commands/preview.h"
#include "commands/report.h"
#include "commands/show.h"
#include "commands/train.h"
#include "commands/trial.h"
#include "core/error.h"
#include "core/log.h"
#include "core/signals.h"
#include "core/text.h"
#include "flags.h"
#include "terminal_progress.h"

namespace salf::tools {
namespace {

using Arguments = std::vector<std::string>;

struct Command {
  CommandText text;
  std::function<int(const CommandText&, const Arguments&)> run;
};

template <class Options>
Command make_command(CommandText text, int (*body)(const Options&, core::Progress&)) {
  const auto run = [body](const CommandText& about, const Arguments& arguments) {
    Options options;
    if (!load_options(about, arguments, options)) return 0;
    if (!options.common.quiet) {
      TerminalProgress progress;
      return body(options, progress);
    }
    core::set_log_level(core::LogLevel::kWarning);
    core::Progress silent;
    return body(options, silent);
  };
  return {std::move(text), run};
}

std::vector<Command> commands() {
  return {
      make_command(
          {"import", "Make a model directory from a Hugging Face directory or a GGUF file",
              {"source"},
              "A Hugging Face directory holds config.json of a Llama 2/3, SmolLM2, Mistral, "
              "Qwen2, Qwen3, Gemma 2,\n"
              "Phi-3, OLMo 2 or GPT-2 model, its weights as safetensors (F32, F16, BF16), "
              "and the tokenizer.\n"
              "Examples:\n  salf import ~/models/SmolLM2-135M-Instruct -o smollm2\n"
              "  salf import SmolLM2-135M-Instruct.Q4_1.gguf -o smollm2"},
          &import_command),
      make_command({"inspect", "Show a model's blocks, sizes and where it can be cut", {"model"},
                       "Example:\n  salf inspect smollm2"},
          &inspect_command),
      make_command(
          {"analyze", "Measure every layer against the vocabulary's semantic basis", {"model"},
              "Example:\n  salf analyze smollm2 --data rows.jsonl -o profile.json"},
          &analyze_command),
      make_command({"plan", "Choose the cut and price it", {"model"},
                       "Example:\n  salf plan smollm2 --data rows.jsonl --profile profile.json "
                       "--budget 30m -o plan.json"},
          &plan_command),
      make_command({"train", "Fine-tune within a budget: analyze, plan, train", {"model"},
                       "Examples:\n  salf train smollm2 --data rows.jsonl --budget 2h -o run\n"
                       "  salf train smollm2 --data rows.jsonl --eof 20 --budget 200steps -o run\n"
                       "  salf train --resume run"},
          &train_command),
      make_command(
          {"eval", "Measure loss, perplexity and accuracy", {"model"},
              "Examples:\n  salf eval run --data rows.jsonl --split test\n"
              "  salf eval run --data rows.jsonl --split test -o eval.json    (for salf compare)"},
          &eval_command),
      make_command(
          {"export", "Write a model or a run for transformers, llama.cpp or TorchScript", {"model"},
              "hf and gguf need a model that salf import made, or a run of one; torchscript "
              "takes any.\n"
              "Examples:\n  salf export run --to hf -o tuned\n"
              "  salf export run --to gguf --type q8_0 -o tuned.gguf\n"
              "  salf export run --to torchscript -o tuned.pt"},
          &export_command),
      make_command({"show", "Show a run, profile, plan, evaluation or trials in the terminal",
                       {"file"}, "Examples:\n  salf show run\n  salf show profile.json"},
          &show_command),
      make_command(
          {"report", "Write a page that explains one or more runs", {"runs"},
              "Examples:\n  salf report run -o report.html\n  salf report run-full run-cut "
              "-o report.html --lang ja\n"
              "  salf report --follow run"},
          &report_command),
      make_command(
          {"compare", "Check that a run or evaluation is not worse than another", {"base", "new"},
              "Exit code 1 is a regression. Without a limit the loss may not increase beyond "
              "its noise.\n"
              "Examples:\n  salf compare run-main run-branch --max-loss-increase 0.01 "
              "--max-time-increase 10%\n"
              "  salf compare base.json new.json --limits limits.json --junit compare.xml"},
          &compare_command),
      make_command(
          {"trial", "Train a few arms for some steps, for predictions that rest on these data",
              {"model"},
              "Examples:\n  salf trial smollm2 --data rows.jsonl -o trials.json\n"
              "  salf plan --profile profile.json --trials trials.json --budget 2h"},
          &trial_command),
      make_command(
          {"bench", "Run the plan and its control arms at equal budget", {"model"},
              "Examples:\n  salf bench smollm2 --data rows.jsonl --arms plan --arms full "
              "--arms half --minutes 2 -o bench\n"
              "  salf bench smollm2 --data rows.jsonl --arms cut:8 --arms lisa:6 --minutes 2 "
              "--seeds 3 -o bench"},
          &bench_command),
      make_command({"data preview", "Show rows as tokens, with what carries loss", {"model"},
                       "Examples:\n  salf data preview smollm2 --data chats.jsonl --rows 3\n"
                       "  zcat rows.jsonl.gz | salf data preview tokenizer.json --data - "
                       "--chat-template chatml"},
          &preview_command),
  };
}

void print_commands(const std::vector<Command>& some) {
  for (const auto& command : some)
    std::printf("  %-14s%s\n", command.text.name, command.text.summary);
}

void print_help(const std::vector<Command>& all) {
  std::printf(
      "salf %s: fine-tune the layers that need it, within a budget\n\nUsage: salf COMMAND "
      "[OPTIONS]\n\nCommands:\n",
      app::kVersion);
  print_commands(all);
  std::printf(
      "\nsalf COMMAND --help explains each. Exit codes: 0 done, 1 regression, 2 usage, 3 bad "
      "input, 4 bad model,\n"
      "5 file or disk, 6 budget too small, 70 internal, 128+n stopped by signal n.\n");
}

// How many of the arguments are the command's name ("eval", "data preview"); 0: they name another
// one.
std::size_t words_of(const std::string& name, const Arguments& arguments) {
  const std::size_t space = name.find(' ');
  if (space == std::string::npos) return arguments[0] == name ? 1 : 0;
  return arguments.size() > 1 && arguments[0] + " " + arguments[1] == name ? 2 : 0;
}

bool asks_for_help(const std::string& argument) {
  return argument == "--help" || argument == "-h" || argument == "help";
}

// "data" is the first word of some commands and no command: those are `group`.
int run_group(
    const std::string& word, const std::vector<Command>& group, const Arguments& arguments) {
  if (!arguments.empty() && !asks_for_help(arguments[0])) {
    throw Error(ErrorKind::kUsage, "unknown command '" + word + " " +
                                       core::printable(arguments[0]) + "' (salf " + word +
                                       " --help lists them)");
  }
  std::printf("Usage: salf %s COMMAND [OPTIONS]\n\nCommands:\n", word.c_str());
  print_commands(group);
  std::printf("\nsalf %s --help explains it.\n", group[0].text.name);
  return arguments.empty() ? static_cast<int>(ErrorKind::kUsage) : 0;
}

Arguments renamed(Arguments arguments, const char* command) {
  arguments[0] = command;
  return arguments;
}

int run(const Arguments& arguments) {
  const auto all = commands();
  if (arguments.empty() || asks_for_help(arguments[0])) {
    print_help(all);
    return arguments.empty() ? static_cast<int>(ErrorKind::kUsage) : 0;
  }
  if (arguments[0] == "--version") {
    std::printf("salf %s\n", app::kVersion);
    return 0;
  }
  if (arguments[0] == "probe") {
    core::log_warning("salf probe is called salf trial now");
    return run(renamed(arguments, "trial"));
  }
  std::vector<std::string> names;
  std::vector<Command> group;
  for (const auto& command : all) {
    const std::size_t words = words_of(command.text.name, arguments);
    if (words > 0)
      return command.run(
          command.text, {arguments.begin() + static_cast<std::ptrdiff_t>(words), arguments.end()});
    names.emplace_back(command.text.name);
    if (names.back().compare(0, arguments[0].size() + 1, arguments[0] + " ") == 0)
      group.push_back(command);
  }
  if (!group.empty())
    return run_group(arguments[0], group, {arguments.begin() + 1, arguments.end()});
  const std::string close = core::closest(arguments[0], names);
  throw Error(ErrorKind::kUsage, "unknown command '" + core::printable(arguments[0]) + "'" +
                                     (close.empty() ? "" : "; did you mean " + close + "?") +
                                     " (salf --help lists them)");
}

}  // namespace
}  // namespace salf::tools

int main(int argc, char** argv) {
  try {
    salf::core::watch_stop_signals();
    const int code = salf::tools::run({argv + 1, argv + argc});
    // A full disk behind a redirected result shows only now.
    if (std::fflush(stdout) != 0)
      throw salf::Error(salf::ErrorKind::kIo, "standard output cannot be written");
    return code;
  } catch (const salf::Error& error) {
    salf::core::log_error(error.what());
    return error.exit_code();
  } catch (const std::bad_alloc&) {
    salf::core::log_error("out of memory; a smaller --batch-tokens needs less");
    return static_cast<int>(salf::ErrorKind::kInternal);
  } catch (const std::exception& error) {
    salf::core::log_error(std::string("internal error, please report it: ") + error.what());
    return static_cast<int>(salf::ErrorKind::kInternal);
  }
}
