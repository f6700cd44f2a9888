// salf generate: a model writes texts. The text of a prompt is shown as it comes, in whole
// characters and without what would act on a terminal.
#include <unistd.h>

#include <cstdio>

#include "app/generation/prompt_source.h"
#include "app/generation/writer.h"
#include "command_list.h"
#include "core/signals.h"
#include "text/answer_text.h"
#include "text/terminal_text.h"

namespace salf::tools {
namespace {

struct GenerateOptions {
  CommonOptions common;
  app::ModelOptions model;
  app::PromptOptions prompts;
  app::GenerationOptions generation;
  std::string beside;
  bool no_cache = false;

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    CommonOptions::fields(self.common, visit);
    app::ModelOptions::fields(self.model, visit);
    app::PromptOptions::fields(self.prompts, visit);
    app::GenerationOptions::fields(self.generation, visit);
    visit(Field{"beside", "a second model, such as the one before tuning, to show beside it"}
              .common(),
        self.beside);
    visit(Field{"no_cache", "read the whole text for each token, to compare"}, self.no_cache);
  }

  generate::Reading reading() const {
    return no_cache ? generate::Reading::kWhole : generate::Reading::kInPieces;
  }

  std::vector<std::string> problems() const {
    std::vector<std::string> problems = prompts.problems();
    require_model(model.model, problems);
    return problems;
  }
};

void show_now(const std::string& text) {
  std::fputs(text.c_str(), stdout);
  std::fflush(stdout);
}

// A model, and the session that it needs.
struct OpenWriter {
  OpenWriter(const app::ModelOptions& model, const GenerateOptions& options)
      : session(app::open_model(model, /*needs_tokenizer=*/true)),
        writer(session, options.prompts.chat_template, options.reading()) {}

  app::Session session;
  app::Writer writer;
};

class Generating {
 public:
  explicit Generating(const GenerateOptions& options)
      : options_(options), source_(options.prompts), model_(options.model, options) {
    if (options.beside.empty()) return;
    app::ModelOptions base = options.model;
    base.model = options.beside;
    base.tokenizer.clear();
    base.adapter.clear();
    base_ = std::make_unique<OpenWriter>(base, options);
  }

  int run() {
    types::Generation all;
    all.provenance = model_.session.provenance();
    all.beside = options_.beside;
    all.cached = model_.writer.cached();
    while (auto raw = source_.next()) {
      const bool stopped = answer(*raw, all);
      if (stopped) break;
    }
    if (core::stop_signal() != 0) return 128 + core::stop_signal();
    return options_.common.json ? print_result(options_.common, core::document_json(all), "") : 0;
  }

 private:
  // True once it was stopped.
  bool answer(const app::RawPrompt& raw, types::Generation& all) {
    const data::Prompt prompt = source_.make(raw, model_.writer.prompts());
    if (!options_.common.json) show_prompt(prompt, all.answers.empty());
    const bool streams = !options_.common.json && !base_;
    types::GeneratedAnswer made{prompt.text, prompt.reference, {}, std::nullopt};
    if (base_) {
      const data::Prompt asked = source_.make(raw, base_->writer.prompts());
      made.base = base_->writer.write(asked.ids, options_.generation);
    }
    made.answer =
        model_.writer.write(prompt.ids, options_.generation, [streams](const std::string& piece) {
          if (streams) show_now(terminal_text(piece));
        });
    if (streams) show_now("\n");
    if (base_ && !options_.common.json) show_now(columns(made));
    const bool stopped = made.answer.end == types::TextEnd::kStopped;
    all.answers.push_back(std::move(made));
    return stopped;
  }

  // One prompt that was just typed needs no repetition.
  void show_prompt(const data::Prompt& prompt, bool first) const {
    if (options_.prompts.data.empty() && options_.prompts.prompt.size() == 1) return;
    const std::size_t width = terminal_columns(STDOUT_FILENO);
    std::string text = first ? "" : "\n";
    for (const std::string& line : text_lines(prompt.text, width - 2)) text += "> " + line + "\n";
    if (prompt.reference) {
      for (const std::string& line : text_lines(*prompt.reference, width - 2))
        text += "= " + line + "\n";
    }
    show_now(text);
  }

  std::string columns(const types::GeneratedAnswer& made) const {
    const std::size_t width = isatty(STDOUT_FILENO) == 1 ? terminal_columns(STDOUT_FILENO) : 0;
    return side_by_side({terminal_text(options_.beside), made.base->text},
        {terminal_text(options_.model.model), made.answer.text}, width);
  }

  const GenerateOptions& options_;
  app::PromptSource source_;
  OpenWriter model_;
  std::unique_ptr<OpenWriter> base_;
};

int run(const GenerateOptions& options, core::Progress& /*progress*/) {
  return Generating(options).run();
}

}  // namespace

Command generate_command() {
  return make_command<GenerateOptions>(
      {"generate", "Write text with a model", {"model", "prompt"},
          "Examples:\n  salf generate run \"The capital of France is\"\n"
          "  salf generate run --chat --prompt \"What is a cut?\" --temperature 0.8 --seed 7\n"
          "  salf generate run --data rows.jsonl --rows 5 --beside smollm2\n"
          "  echo \"Once upon a time\" | salf generate run -"},
      &run);
}

}  // namespace salf::tools
