// How does a conversation become the text that a model was trained on, and which part of that text
// did the assistant write?
#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "core/fields.h"

namespace salf::data {

enum class ChatRole { kSystem, kUser, kAssistant };

struct ChatMessage {
  ChatRole role = ChatRole::kUser;
  std::string content;
};

// Where the system message goes.
enum class SystemPlace { kTurn, kFirstTurn, kFirstUser, kLastUser, kRefused };
inline std::vector<core::EnumName<SystemPlace>> enum_names(SystemPlace) {
  return {{SystemPlace::kTurn, "turn"},         // a turn of its own, wherever it stands
      {SystemPlace::kFirstTurn, "first-turn"},  // the same, at the start only
      {SystemPlace::kFirstUser, "first-user"},  // at the start, within the first user turn
      {SystemPlace::kLastUser,
          "last-user"},  // at the start; in a user turn that ends the conversation
      {SystemPlace::kRefused, "refused"}};  // there is none
}

// What stands around the messages. "{bos}" and "{eos}" in these texts are the tokenizer's.
//
//   begin, the turns, end, where a turn is  X_before content X_after,
//   and the assistant's                     assistant_before answer_lead content assistant_after
//
// The assistant's answer is what carries loss: answer_lead, content and assistant_after without the
// white space at its end (its end-of-turn token; all of it where it is nothing but white space).
struct ChatFormat {
  std::string begin, end;
  std::string system_before, system_after;
  std::string user_before, user_after;
  std::string assistant_before, answer_lead, assistant_after;
  std::optional<std::string> default_system;  // where a conversation does not begin with one
  SystemPlace system = SystemPlace::kTurn;
  // White space around contents is dropped, as Python's str.strip() does.
  bool trim_system = false, trim_user = false, trim_answer = false;
  bool alternate = false;  // user and assistant take turns, the user first, or it is an error
  // Qwen3's reasoning: an answer may begin with "<think>…</think>". Answers before the last
  // question lose that, and the message that ends the conversation always has it, empty if need be.
  bool thinking = false;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    using core::Field;
    visit(Field{"begin"}, self.begin);
    visit(Field{"end"}, self.end);
    visit(Field{"system_before"}, self.system_before);
    visit(Field{"system_after"}, self.system_after);
    visit(Field{"user_before"}, self.user_before);
    visit(Field{"user_after"}, self.user_after);
    visit(Field{"assistant_before"}, self.assistant_before);
    visit(Field{"answer_lead"}, self.answer_lead);
    visit(Field{"assistant_after"}, self.assistant_after);
    visit(Field{"default_system"}, self.default_system);
    visit(Field{"system"}, self.system);
    visit(Field{"trim_system"}, self.trim_system);
    visit(Field{"trim_user"}, self.trim_user);
    visit(Field{"trim_answer"}, self.trim_answer);
    visit(Field{"alternate"}, self.alternate);
    visit(Field{"thinking"}, self.thinking);
  }
};

// Bytes [begin, end) of a text.
struct ByteSpan {
  std::size_t begin = 0;
  std::size_t end = 0;
};

struct ChatText {
  std::string text;
  std::vector<ByteSpan> answers;  // what the assistant wrote, in order: it carries loss
};

// The texts of the tokens that a template may name; empty where the tokenizer has none.
struct SpecialTexts {
  std::string bos, eos;
};

// The text of a whole conversation, as transformers' apply_chat_template() makes it (without
// add_generation_prompt). `where` starts each message. Throws Error(kBadInput): no message, roles
// in an order that the format does not know, a token that the format needs and the tokenizer lacks.
ChatText render_chat(const ChatFormat& format, const std::vector<ChatMessage>& messages,
    const SpecialTexts& special, const std::string& where);

// The template that comes with a model: Jinja, as Hugging Face has it.
struct ModelTemplate {
  std::string text;   // empty: the model has none
  std::string where;  // the file it comes from
};

// chat_template.jinja beside the tokenizer.json, else "chat_template" of the tokenizer_config.json
// there (a string, or the one named "default" of a list). Throws Error(kIo) or Error(kBadInput).
ModelTemplate read_model_template(const std::filesystem::path& tokenizer_json);

// The name of the built-in format that a Jinja template stands for, or nothing. It is told by the
// SHA-256 of the template's tokens: white space between tokens within {{ … }} and {% … %},
// comments, the kind of quotes, line ends, and what trim_blocks, lstrip_blocks and "-" take away
// make no difference, as they make none to Jinja. Nothing else is guessed: another template is
// another format.
std::optional<std::string> recognise_template(const std::string& jinja);

// The formats that are built in, by name: "chatml", "llama3", …
std::vector<std::string> chat_format_names();

struct NamedFormat {
  std::string name;  // for people: "chatml", "my_format.json"
  ChatFormat format;
};

// `choice`: a built-in name, a JSON file with ChatFormat's fields ("*.json"), or "" for the model's
// own. Throws Error(kUsage) where the model's is missing or not known, and for an unknown name: the
// message says how to give a format; Error(kIo) and Error(kBadInput) for the file.
NamedFormat choose_chat_format(const std::string& choice, const ModelTemplate& model_template);

}  // namespace salf::data
