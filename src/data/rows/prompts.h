// Rows as questions to a model, whose answers it writes by itself.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "data/chat/chat_template.h"
#include "data/rows/dataset.h"
#include "data/rows/row_file.h"

namespace salf::data {

struct Prompt {
  std::vector<std::int64_t> ids;
  std::string text;                      // for people: the prompt, or what the user said last
  std::optional<std::string> reference;  // the answer that the row has
};

class PromptMaker {
 public:
  // `chat_template`: of conversations, as in DataOptions; `tokenizer` must outlive this.
  PromptMaker(
      const Tokenizer& tokenizer, ModelTemplate model_template, std::string chat_template = "");

  // The text as it stands.
  Prompt plain(const std::string& text) const;
  // The text as a user's message. Throws as choose_chat_template() and ChatTemplate::render() do.
  Prompt question(const std::string& text);
  // The row without its completion, or the conversation without its last turn where that is the
  // assistant's. The tokens are those of load_dataset(). A text is a prompt as a whole. Throws as
  // question() does, and Error(kBadInput) for a conversation in which nobody asks.
  Prompt row(const FileRow& row);
  // The token that ends the assistant's turns, if the template is known and has one.
  std::optional<std::int64_t> turn_end();

 private:
  const ChatTemplate& chat();
  Prompt conversation(Conversation conversation, const std::string& where);
  std::vector<std::int64_t> begun(std::vector<std::int64_t> ids) const;

  const Tokenizer& tokenizer_;
  ModelTemplate model_template_;
  std::string choice_;
  std::optional<ChatTemplate> chat_;
};

// A prompt of load_dataset(): it ends in white space unless it is empty.
std::string finished_prompt(std::string prompt);

// A document up to its last answer, and that answer without tokens that are no text.
struct AskedDocument {
  std::vector<std::int64_t> prompt;
  std::vector<std::int64_t> answer;
};
// Nothing for a document without a prompt, and where the answer is no text.
std::optional<AskedDocument> last_answer(const Document& document, const Tokenizer& tokenizer);

// The text of these tokens without those that are no text.
std::string plain_text(const std::vector<std::int64_t>& ids, const Tokenizer& tokenizer);

}  // namespace salf::data
