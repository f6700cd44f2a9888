#include "commands/common_options.h"

#include <cstdio>

namespace salf::tools {

void require_model(const std::string& model, std::vector<std::string>& problems) {
  if (model.empty())
    problems.emplace_back("a model is needed: a model directory, a run directory or an archive");
}

void require_data(
    const std::string& data, const std::string& purpose, std::vector<std::string>& problems) {
  if (data.empty()) problems.push_back("--data FILE is needed: " + purpose);
}

void require_output(const std::string& output, std::vector<std::string>& problems) {
  if (output.empty()) problems.emplace_back("--output needs a file name");
}

int print_result(const CommonOptions& common, const core::Json& json, const std::string& text) {
  std::fputs((common.json ? core::format_json(json) : text).c_str(), stdout);
  return 0;
}

}  // namespace salf::tools
