// Where the prompts of salf generate come from: the command line, files of rows, or the lines of
// standard input.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "data/rows/prompts.h"

namespace salf::app {

struct PromptOptions {
  std::vector<std::string> prompt;  // "-": standard input, a prompt a line
  std::vector<std::string> data;
  data::FileFormat format = data::FileFormat::kAuto;
  std::string chat_template;
  bool chat = false;
  std::int64_t rows = 0;

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    core::begin_group(visit, "Prompts");
    visit(Field{"prompt", "text to go on with; - reads prompts from standard input, one a line"}
              .common(),
        self.prompt);
    visit(Field{"data",
              "file with rows (salf train --data): each prompt, or conversation up to its last "
              "answer, is answered"}
              .common(),
        self.data);
    visit(Field{"format", "what the files are; auto: by name and content"}, self.format);
    visit(Field{"rows", "rows of the files to answer; 0: all"}.common().range(0, 1e12), self.rows);
    visit(Field{"chat", "prompts are messages of a user, in the model's chat template"}.common(),
        self.chat);
    visit(Field{"chat_template",
              "template of conversations: a name, as in salf train, or a Jinja file; nothing: the "
              "model's"}
              .common(),
        self.chat_template);
  }

  std::vector<std::string> problems() const;
};

// A prompt before a model's template and tokenizer made tokens of it.
struct RawPrompt {
  std::string text;
  std::optional<data::FileRow> row;  // in place of the text
};

class PromptSource {
 public:
  explicit PromptSource(const PromptOptions& options) : options_(options) {}

  // Nothing at the end, and once core::stop_signal() is set. Throws Error(kIo) and Error(kBadInput)
  // for files.
  std::optional<RawPrompt> next();
  data::Prompt make(const RawPrompt& raw, data::PromptMaker& maker) const;

 private:
  std::optional<RawPrompt> next_row();
  std::optional<std::string> next_line();

  PromptOptions options_;
  std::size_t prompts_ = 0, files_ = 0;  // that were begun
  std::int64_t rows_ = 0;
  std::unique_ptr<data::RowFile> file_;
  std::string input_;  // read from standard input, not given yet
  bool ended_ = false;
};

}  // namespace salf::app
