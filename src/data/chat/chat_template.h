// Chat templates: the text of a conversation as a model was trained on it, and the part of that
// text that the assistant wrote.
#pragma once

#include <filesystem>
#include <optional>

#include "data/chat/jinja.h"
#include "data/tokenizer/tokenizer.h"

namespace salf::data {

struct Conversation;

struct ChatText {
  std::string text;
  std::vector<ByteSpan> answers;  // in order; they carry loss
  // Messages whose content is not in the text, such as "messages[1].content".
  std::vector<std::string> left_out;
};

// The texts of the tokens that a template may name. Empty: the tokenizer has none.
struct SpecialTexts {
  std::string bos, eos, padding;
};
SpecialTexts special_texts(const Tokenizer& tokenizer);

// The Jinja template that comes with a model.
struct ModelTemplate {
  std::string text;   // empty: the model has none
  std::string where;  // its file
};

// Reads chat_template.jinja beside the tokenizer.json, else "chat_template" of the
// tokenizer_config.json there (a string, or the one named "default" of a list), else of
// chat_template.json. Throws Error(kIo) or Error(kBadInput).
ModelTemplate read_model_template(const std::filesystem::path& tokenizer_json);

class ChatTemplate {
 public:
  // `name` is for people: "chatml", "my.jinja". Throws Error(kBadInput) for what is no template.
  ChatTemplate(std::string source, std::string name, SpecialTexts special);

  const std::string& source() const { return source_; }
  const std::string& name() const { return name_; }

  // The text of a whole conversation, as transformers' apply_chat_template() makes it (without
  // add_generation_prompt). Text parts are joined by newlines for a template that does not know
  // them. A developer's message becomes a system message where the template would refuse it or
  // leave it out, and a content that is null an empty one where it would be refused.
  //
  // The answers are what stands in the template's {% generation %} blocks. Without them they are
  // found by rendering: an answer begins where the text of the messages before it, with
  // add_generation_prompt, ends; it ends with its message, without the white space there. Where
  // the text of the messages before is no beginning of the whole (some templates leave the
  // reasoning of former answers out), the place is found with another content in its place.
  //
  // `where` starts each error. Throws Error(kBadInput) where the template raises, for tools,
  // documents and tool_calls that the template does not know, and where an answer is not found.
  // Without `find_answers` there are none.
  ChatText render(
      const Conversation& conversation, const std::string& where, bool find_answers = true) const;

  // The text of a conversation that the assistant goes on with (add_generation_prompt). Throws as
  // render() does.
  std::string render_prompt(const Conversation& conversation, const std::string& where) const;

  // Keys of the messages that hold something and that the template does not know.
  std::vector<std::string> unknown_keys(const Conversation& conversation) const;

 private:
  core::Json variables(const Conversation& conversation) const;
  // Makes reasoning and thinking reasoning_content where the template knows only that.
  void name_reasoning(core::Json& message) const;
  enum class Wanted { kText, kAnswers, kPrompt };
  ChatText render_for(
      const Conversation& conversation, const std::string& where, Wanted wanted) const;
  ChatText render_as_given(
      const Conversation& conversation, const std::string& where, Wanted wanted) const;

  std::string source_;
  std::string name_;
  SpecialTexts special_;
  JinjaTemplate jinja_;
};

// Names of the templates that are built in.
std::vector<std::string> chat_template_names();

// `choice`: a built-in name, a file with a Jinja template, or "" for the model's own. Throws
// Error(kUsage) where the model has none, and for an unknown name; Error(kIo) and Error(kBadInput)
// for the file.
ChatTemplate choose_chat_template(
    const std::string& choice, const ModelTemplate& model_template, const SpecialTexts& special);

// Ids, and for each whether it carries loss.
struct MarkedTokens {
  std::vector<std::int64_t> ids;
  std::vector<bool> loss;
};

// Tokenises the text as a whole, as apply_chat_template() does: special tokens in it are special
// whoever wrote them, and no bos or eos is added. A token carries loss if any of its bytes is part
// of an answer. Where a normaliser changed the text, an answer begins and ends at the first token
// that differs between the whole text and the text up to there. With `limit` > 0 the marks behind
// the first `limit` tokens may be missing, because these tokens will be cut off.
MarkedTokens encode_chat(const ChatText& chat, const Tokenizer& tokenizer, std::size_t limit);

// The markers of a chat text ("<|im_end|>") that are not tokens of the tokenizer, each once.
std::vector<std::string> markers_without_token(const std::string& text, const Tokenizer& tokenizer);

// The token that ends the text of the last answer, if that is one added token ("<|im_end|>").
std::optional<std::int64_t> turn_end(const ChatText& chat, const Tokenizer& tokenizer);

}  // namespace salf::data
