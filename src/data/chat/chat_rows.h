// What does a chat row of a data file say? The forms are those of load_dataset (dataset.h).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/json.h"
#include "data/chat/chat_template.h"

namespace salf::data {

// The messages of a row, or nothing where it has neither `messages` nor `conversations`. `where`
// starts each message. Throws Error(kBadInput): roles that are not known, contents that are no
// text.
std::optional<std::vector<ChatMessage>> parse_messages(
    const core::Json& row, const std::string& where);

}  // namespace salf::data
