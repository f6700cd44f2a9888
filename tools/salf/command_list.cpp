#include "command_list.h"

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
#include "core/log.h"
#include "terminal_progress.h"

namespace salf::tools {
namespace {

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

std::vector<Command> preparing_commands() {
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
  };
}

std::vector<Command> tuning_commands() {
  return {
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
  };
}

std::vector<Command> result_commands() {
  return {
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
  };
}

std::vector<Command> study_commands() {
  return {
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

}  // namespace

std::vector<Command> commands() {
  std::vector<Command> all;
  for (auto* const some : {preparing_commands, tuning_commands, result_commands, study_commands}) {
    for (Command& command : some()) all.push_back(std::move(command));
  }
  return all;
}

}  // namespace salf::tools
