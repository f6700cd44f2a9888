// The chat templates that --chat-template names, for models that come without one.
#pragma once

#include <vector>

namespace salf::data {

struct BuiltInTemplate {
  const char* name;
  const char* source;  // Jinja
};

const std::vector<BuiltInTemplate>& built_in_templates();

}  // namespace salf::data
