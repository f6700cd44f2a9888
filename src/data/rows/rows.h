// What does one row of a data file say: which text is the prompt, which carries loss, and is it a
// question with options? The forms are those of load_dataset (dataset.h).
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "core/json.h"
#include "data/chat/chat_template.h"

namespace salf::data {

struct Question {
  std::vector<std::string> options;  // 2 … 26 texts
  std::size_t answer = 0;            // index of the right one
};

// A `text` row has an empty prompt. A conversation has messages, and neither prompt nor completion.
struct RowText {
  std::string prompt;
  std::string completion;
  std::optional<Question> question;
  std::vector<ChatMessage> messages;
  std::string domain{};     // the field "domain" where it is a string; "": none
  bool odd_domain = false;  // there is such a field, and it is something else
};

// `where` starts each message. Throws Error(kBadInput): not an object, no known form (with the
// forms and the keys that were found), a field of another type, or options and answer that do not
// fit.
RowText parse_row(const core::Json& json, const std::string& where);

}  // namespace salf::data
