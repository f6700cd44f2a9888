#include <algorithm>

#include "core/text.h"
#include "data/bad_input.h"
#include "data/chat/chat_template.h"
#include "data/text/character_classes.h"

namespace salf::data {
namespace {

bool is_python_space(char32_t code) { return is_space(code) || (code >= 0x1C && code <= 0x1F); }

std::string_view stripped(std::string_view text) {
  text.remove_prefix(leading(text, is_python_space));
  return text.substr(0, trailing_begin(text, is_python_space));
}

std::string_view without_leading_newlines(std::string_view text) {
  return text.substr(std::min(text.find_first_not_of('\n'), text.size()));
}

struct Answer {
  std::string thoughts;
  std::string text;
};

// Divides "<think>…</think>…" as Qwen3's template does. Without "</think>" all of it is text.
Answer split_thoughts(const std::string& content) {
  static constexpr std::string_view kBegin = "<think>", kEnd = "</think>";
  const std::size_t end = content.find(kEnd);
  if (end == std::string::npos) return {"", content};
  std::string_view thoughts = std::string_view(content).substr(0, end);
  const std::size_t begin = thoughts.rfind(kBegin);
  if (begin != std::string_view::npos) thoughts.remove_prefix(begin + kBegin.size());
  const auto text = std::string_view(content).substr(content.rfind(kEnd) + kEnd.size());
  thoughts = thoughts.substr(0, thoughts.find_last_not_of('\n') + 1);
  return {
      std::string(without_leading_newlines(thoughts)), std::string(without_leading_newlines(text))};
}

bool is_tool_response(const std::string& content) {
  return core::starts_with(content, "<tool_response>") &&
         core::ends_with(content, "</tool_response>");
}

// The last message of the user that is no tool response, or else the last message.
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
    if (messages.empty()) refuse(where_, "expected at least one message");
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
      case SystemPlace::kRefused:
        refuse(where_, "messages[0]: this chat template has no system messages");
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
      refuse(where_, place + "this chat template has a system message at the start only");
    }
    if (format_.alternate && (message.role == ChatRole::kUser) != user_turn) {
      refuse(where_, place + "expected a message of the " + (user_turn ? "user" : "assistant") +
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
    return "<think>\n" + answer.thoughts + "\n</think>\n\n" +
           std::string(without_leading_newlines(answer.text));
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
        refuse(
            where_, "the chat template needs " + name + ", and the tokenizer names no such token");
      text.replace(i, name.size(), token);
    }
    return text;
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
