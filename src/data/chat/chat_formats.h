// Which chat formats are built in, and which templates do they stand for?
#pragma once

#include <string>
#include <vector>

#include "data/chat/chat_template.h"

namespace salf::data {

const std::vector<NamedFormat>& built_in_chat_formats();

struct KnownTemplate {
  const char* sha256;  // of jinja_tokens(template)
  const char* name;    // of the format
};

const std::vector<KnownTemplate>& known_templates();

}  // namespace salf::data
