// A conversation as a row of data gives it.
#pragma once

#include <string>
#include <vector>

#include "core/json.h"

namespace salf::data {

// `json` is the message as transformers' apply_chat_template() takes it: role (system, developer,
// user, assistant or tool), content (a string, null, or a list of text parts), tool_calls,
// reasoning_content and further keys for the template.
struct ChatMessage {
  core::Json json;
  bool loss = true;  // false: the assistant's message carries no loss
};

inline bool is_assistant(const ChatMessage& message) {
  return message.json.at("role") == "assistant";
}

struct Conversation {
  std::vector<ChatMessage> messages;
  core::Json tools = core::Json::array();      // of objects; empty: none
  core::Json documents = core::Json::array();  // of objects; empty: none
  core::Json options = core::Json::object();   // further variables of the template
};

}  // namespace salf::data
