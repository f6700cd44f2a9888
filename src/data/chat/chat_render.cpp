#include <algorithm>
#include <string_view>
#include <utility>

#include "core/error.h"
#include "core/log.h"
#include "data/chat/chat_template.h"

namespace salf::data {
namespace {

// The bytes of the white space (Python's str.isspace()) that begins at text[0], or 0.
std::size_t space_length(std::string_view text) {
  if (text.empty()) return 0;
  const auto byte = [&](std::size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
  };
  const unsigned first = byte(0);
  if (first == ' ' || (first >= 0x09 && first <= 0x0D) || (first >= 0x1C && first <= 0x1F))
    return 1;
  if (first == 0xC2) return byte(1) == 0x85 || byte(1) == 0xA0 ? 2 : 0;  // U+0085, U+00A0
  if (first < 0xE1 || first > 0xE3) return 0;
  const unsigned code = (first & 0x0FU) << 12U | (byte(1) & 0x3FU) << 6U | (byte(2) & 0x3FU);
  const bool space = code == 0x1680 || (code >= 0x2000 && code <= 0x200A) || code == 0x2028 ||
                     code == 0x2029 || code == 0x202F || code == 0x205F || code == 0x3000;
  return space ? 3 : 0;
}

std::size_t space_length_at_end(std::string_view text) {
  for (std::size_t length = 1; length <= 3 && length <= text.size(); ++length) {
    if (space_length(text.substr(text.size() - length)) == length) return length;
  }
  return 0;
}

std::string_view stripped(std::string_view text) {
  while (const std::size_t length = space_length(text)) text.remove_prefix(length);
  while (const std::size_t length = space_length_at_end(text)) text.remove_suffix(length);
  return text;
}

std::string_view without_newlines(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of('\n'), text.size()));
  return text.substr(0, text.find_last_not_of('\n') + 1);
}

struct Answer {
  std::string thoughts;
  std::string text;
};

// "<think>…</think>…" taken apart as Qwen3's template does; without "</think>" all of it is text.
Answer split_thoughts(const std::string& content) {
  static constexpr std::string_view kBegin = "<think>", kEnd = "</think>";
  const std::size_t end = content.find(kEnd);
  if (end == std::string::npos) return {"", content};
  std::string_view thoughts = std::string_view(content).substr(0, end);
  const std::size_t begin = thoughts.rfind(kBegin);
  if (begin != std::string_view::npos) thoughts.remove_prefix(begin + kBegin.size());
  std::string_view text = std::string_view(content).substr(content.rfind(kEnd) + kEnd.size());
  text.remove_prefix(std::min(text.find_first_not_of('\n'), text.size()));
  return {std::string(without_newlines(thoughts)), std::string(text)};
}

bool is_tool_response(const std::string& content) {
  static constexpr std::string_view kBegin = "<tool_response>", kEnd = "</tool_response>";
  return content.size() >= kEnd.size() && content.compare(0, kBegin.size(), kBegin) == 0 &&
         content.compare(content.size() - kEnd.size(), kEnd.size(), kEnd) == 0;
}

// The last message that asks something; the last of all if there is none.
std::size_t last_question(const std::vector<ChatMessage>& messages) {
  for (std::size_t i = messages.size(); i-- > 0;) {
    if (messages[i].role == ChatRole::kUser && !is_tool_response(messages[i].content)) return i;
  }
  return messages.size() - 1;
}

const char* role_name(ChatRole role) {
  if (role == ChatRole::kSystem) return "system";
  return role == ChatRole::kUser ? "user" : "assistant";
}

class ChatWriter {
 public:
  ChatWriter(const ChatFormat& format, const SpecialTexts& special, const std::string& where)
      : format_(format), special_(special), where_(where) {}

  ChatText write(const std::vector<ChatMessage>& messages) {
    if (messages.empty()) fail("expected at least one message");
    add(format_.begin);
    std::size_t first = 0;
    if (messages[0].role == ChatRole::kSystem) {
      begin_with_system(messages[0].content);
      first = 1;
    } else if (format_.default_system) {
      begin_with_system(*format_.default_system);
    }
    const std::size_t question = last_question(messages);
    for (std::size_t i = first; i < messages.size(); ++i) {
      last_ = i + 1 == messages.size();
      answers_last_question_ = i > question;
      check_order(messages[i], i, (i - first) % 2 == 0);
      write_turn(messages[i]);
    }
    add(format_.end);
    return std::move(result_);
  }

 private:
  void begin_with_system(const std::string& content) {
    const std::string text(format_.trim_system ? stripped(content) : std::string_view(content));
    switch (format_.system) {
      case SystemPlace::kRefused: fail("messages[0]: this chat template has no system messages");
      case SystemPlace::kTurn:
      case SystemPlace::kFirstTurn:
        add(format_.system_before);
        result_.text += text;
        add(format_.system_after);
        break;
      case SystemPlace::kFirstUser:
      case SystemPlace::kLastUser:
        system_ = with_tokens(format_.system_before) + text + with_tokens(format_.system_after);
        break;
    }
  }

  void check_order(const ChatMessage& message, std::size_t index, bool user_turn) const {
    const std::string place = "messages[" + std::to_string(index) + "]: ";
    if (message.role == ChatRole::kSystem && format_.system != SystemPlace::kTurn) {
      fail(place + "this chat template has a system message at the start only");
    }
    if (format_.alternate && (message.role == ChatRole::kUser) != user_turn) {
      fail(place + "expected a message of the " + (user_turn ? "user" : "assistant") +
           ", got one of the " + role_name(message.role) +
           ": in this chat template they take turns, the user first");
    }
  }

  void write_turn(const ChatMessage& message) {
    if (message.role == ChatRole::kAssistant) return write_answer(message.content);
    const bool is_user = message.role == ChatRole::kUser;
    std::string content = message.content;
    const bool takes_system = is_user && (format_.system == SystemPlace::kFirstUser ||
                                             (format_.system == SystemPlace::kLastUser && last_));
    if (takes_system) content.insert(0, std::exchange(system_, ""));
    add(is_user ? format_.user_before : format_.system_before);
    const bool trim = is_user ? format_.trim_user : format_.trim_system;
    result_.text += trim ? stripped(content) : std::string_view(content);
    add(is_user ? format_.user_after : format_.system_after);
  }

  void write_answer(const std::string& content) {
    add(format_.assistant_before);
    const std::size_t begin = result_.text.size();
    add(format_.answer_lead);
    const std::string text = format_.thinking ? with_thoughts(split_thoughts(content)) : content;
    result_.text += format_.trim_answer ? stripped(text) : std::string_view(text);
    const std::string after = with_tokens(format_.assistant_after);
    const std::size_t kept = after.find_last_not_of(" \t\r\n") + 1;
    result_.answers.push_back({begin, result_.text.size() + (kept > 0 ? kept : after.size())});
    result_.text += after;
  }

  std::string with_thoughts(const Answer& answer) const {
    if (!answers_last_question_ || (!last_ && answer.thoughts.empty())) return answer.text;
    const std::size_t begin = std::min(answer.text.find_first_not_of('\n'), answer.text.size());
    return "<think>\n" + answer.thoughts + "\n</think>\n\n" + answer.text.substr(begin);
  }

  void add(const std::string& text) { result_.text += with_tokens(text); }

  std::string with_tokens(const std::string& text) const {
    return with_token(with_token(text, "{bos}", special_.bos), "{eos}", special_.eos);
  }

  std::string with_token(
      std::string text, const std::string& name, const std::string& token) const {
    for (std::size_t i = text.find(name); i != std::string::npos;
         i = text.find(name, i + token.size())) {
      if (token.empty())
        fail("the chat template needs " + name + ", and the tokenizer names no such token");
      text.replace(i, name.size(), token);
    }
    return text;
  }

  [[noreturn]] void fail(const std::string& problem) const {
    throw Error(ErrorKind::kBadInput, where_ + ": " + problem);
  }

  const ChatFormat& format_;
  const SpecialTexts& special_;
  const std::string& where_;
  ChatText result_;
  std::string system_;  // waits for its user turn
  bool last_ = false;
  bool answers_last_question_ = false;
};

}  // namespace

ChatText render_chat(const ChatFormat& format, const std::vector<ChatMessage>& messages,
    const SpecialTexts& special, const std::string& where) {
  return ChatWriter(format, special, where).write(messages);
}

}  // namespace salf::data
