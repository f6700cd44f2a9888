// Chat formats: the text of a conversation as a model was trained on it, and the part of that text
// that the assistant wrote.
#pragma once

#include "core/fields.h"
#include "data/tokenizer/tokenizer.h"

namespace salf::data {

enum class ChatRole { kSystem, kUser, kAssistant };

struct ChatMessage {
  ChatRole role = ChatRole::kUser;
  std::string content;
};

// The place of the system message.
enum class SystemPlace { kTurn, kFirstTurn, kFirstUser, kLastUser, kRefused };
inline std::vector<core::EnumName<SystemPlace>> enum_names(SystemPlace) {
  return {{SystemPlace::kTurn, "turn"},         // a turn of its own, anywhere
      {SystemPlace::kFirstTurn, "first-turn"},  // the same, at the start only
      {SystemPlace::kFirstUser, "first-user"},  // in the first user turn
      {SystemPlace::kLastUser, "last-user"},    // in a user turn that ends the conversation
      {SystemPlace::kRefused, "refused"}};      // none
}

// The texts around the messages. "{bos}" and "{eos}" in them stand for the tokenizer's tokens.
//
//   begin, the turns, end, where a turn is  X_before content X_after,
//   and the assistant's                     assistant_before answer_lead content assistant_after
//
// The assistant's answer carries loss: answer_lead, content, and assistant_after without the white
// space at its end (all of it if it is white space only).
struct ChatFormat {
  std::string begin, end;
  std::string system_before, system_after;
  std::string user_before, user_after;
  std::string assistant_before, answer_lead, assistant_after;
  std::optional<std::string> default_system;  // for conversations that do not begin with one
  SystemPlace system = SystemPlace::kTurn;
  // Removes white space around contents, as Python's str.strip() does.
  bool trim_system = false, trim_user = false, trim_answer = false;
  bool alternate = false;  // requires that user and assistant take turns, the user first
  // Qwen3's reasoning: an answer may begin with "<think>…</think>". Answers before the last
  // question lose this part. A message that ends the conversation always has it, if need be empty.
  bool thinking = false;

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    const auto field = [&visit](const char* name, auto& value) { visit(core::Field{name}, value); };
    field("begin", self.begin), field("end", self.end);
    field("system_before", self.system_before), field("system_after", self.system_after);
    field("user_before", self.user_before), field("user_after", self.user_after);
    field("assistant_before", self.assistant_before), field("answer_lead", self.answer_lead);
    field("assistant_after", self.assistant_after);
    field("default_system", self.default_system), field("system", self.system);
    field("trim_system", self.trim_system), field("trim_user", self.trim_user);
    field("trim_answer", self.trim_answer), field("alternate", self.alternate);
    field("thinking", self.thinking);
  }
};

// Bytes [begin, end) of a text.
struct ByteSpan {
  std::size_t begin = 0;
  std::size_t end = 0;
};

struct ChatText {
  std::string text;
  std::vector<ByteSpan> answers;  // in order; they carry loss
};

// The texts of the tokens that a template may name. Empty: the tokenizer has none.
struct SpecialTexts {
  std::string bos, eos;
};

// The text of a whole conversation, as transformers' apply_chat_template() makes it (without
// add_generation_prompt). `where` starts each error. Throws Error(kBadInput) for no message, for
// roles in an order that the format does not allow, and for a token that the tokenizer lacks.
ChatText render_chat(const ChatFormat& format, const std::vector<ChatMessage>& messages,
    const SpecialTexts& special, const std::string& where);

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

// The Jinja template that comes with a model.
struct ModelTemplate {
  std::string text;   // empty: the model has none
  std::string where;  // its file
};

// Reads chat_template.jinja beside the tokenizer.json, else "chat_template" of the
// tokenizer_config.json there (a string, or the one named "default" of a list). Throws Error(kIo)
// or Error(kBadInput).
ModelTemplate read_model_template(const std::filesystem::path& tokenizer_json);

// The name of the built-in format that a Jinja template stands for, or nothing. Templates are
// compared by the SHA-256 of jinja_tokens(): comments, the kind of quotes, line ends and white
// space that Jinja ignores make no difference.
std::optional<std::string> recognise_template(const std::string& jinja);

// The tokens of Jinja's lexer in one unambiguous text: the pieces of output, and the words, signs
// and strings of each {{ … }} and {% … %}. Jinja is set up as in transformers: trim_blocks and
// lstrip_blocks, the newline at the end dropped. Equal results mean equal templates. A text that is
// not Jinja gives a result too.
std::string jinja_tokens(const std::string& source);

struct NamedFormat {
  std::string name;  // for people: "chatml", "my_format.json"
  ChatFormat format;
};

const std::vector<NamedFormat>& built_in_chat_formats();
// Their names.
std::vector<std::string> chat_format_names();

// `choice`: a built-in name, a JSON file with ChatFormat's fields ("*.json"), or "" for the model's
// own. Throws Error(kUsage) where the model's is missing or not known, and for an unknown name (the
// message says how to give a format); Error(kIo) and Error(kBadInput) for the file.
NamedFormat choose_chat_format(const std::string& choice, const ModelTemplate& model_template);

}  // namespace salf::data
