#include "data/chat/chat_rows.h"

#include <array>
#include <string_view>

#include "core/error.h"
#include "core/log.h"

namespace salf::data {
namespace {

// More turns than any conversation has; the answers of each are looked for in the row's tokens.
constexpr std::size_t kMostMessages = 10'000;

struct RoleName {
  std::string_view name;
  ChatRole role;
};
constexpr std::array<RoleName, 7> kRoleNames{
    {{"system", ChatRole::kSystem}, {"user", ChatRole::kUser}, {"assistant", ChatRole::kAssistant},
        {"human", ChatRole::kUser}, {"gpt", ChatRole::kAssistant},
        {"chatgpt", ChatRole::kAssistant}, {"model", ChatRole::kAssistant}}};

const core::Json* value_of(const core::Json& object, const char* key) {
  const core::Json* const found = core::find_member(object, key);
  return found == nullptr || found->is_null() ? nullptr : found;
}

// The text under one of two names: OpenAI's and ShareGPT's.
std::string text_field(
    const core::Json& message, const char* name, const char* other, const std::string& where) {
  for (const char* key : {name, other}) {
    const core::Json* const value = value_of(message, key);
    if (value == nullptr) continue;
    if (!value->is_string()) core::throw_json_type(where + "." + key, "a string", *value);
    return value->get<std::string>();
  }
  throw Error(
      ErrorKind::kBadInput, where + ": expected a message with " + name + " (or " + other + ")");
}

ChatMessage parse_message(const core::Json& message, const std::string& where) {
  if (!message.is_object())
    core::throw_json_type(where, "an object with role and content", message);
  if (value_of(message, "tool_calls") != nullptr) {
    throw Error(
        ErrorKind::kBadInput, where + ": tool_calls are not supported; leave such rows out");
  }
  const std::string role = text_field(message, "role", "from", where);
  for (const RoleName& known : kRoleNames) {
    if (role == known.name) return {known.role, text_field(message, "content", "value", where)};
  }
  throw Error(ErrorKind::kBadInput,
      where +
          ": expected the role system, user or assistant (ShareGPT: system, human or gpt), got \"" +
          core::printable(role, 40) + "\"");
}

}  // namespace

std::optional<std::vector<ChatMessage>> parse_messages(
    const core::Json& row, const std::string& where) {
  const char* key = "messages";
  const core::Json* list = value_of(row, key);
  if (list == nullptr) list = value_of(row, key = "conversations");
  if (list == nullptr) return std::nullopt;
  const std::string place = where + ": " + key;
  if (!list->is_array()) core::throw_json_type(place, "an array of messages", *list);
  if (list->empty() || list->size() > kMostMessages) {
    throw Error(ErrorKind::kBadInput, place + ": expected 1 to " + std::to_string(kMostMessages) +
                                          " messages, got " + std::to_string(list->size()));
  }
  std::vector<ChatMessage> messages;
  for (const core::Json& message : *list) {
    messages.push_back(parse_message(message, place + "[" + std::to_string(messages.size()) + "]"));
  }
  return messages;
}

}  // namespace salf::data
