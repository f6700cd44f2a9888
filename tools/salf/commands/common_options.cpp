#include "commands/common_options.h"

#include <cstdio>

#include "core/files.h"
#include "core/log.h"

namespace salf::tools {
namespace {

namespace fs = std::filesystem;

bool has_schema(const fs::path& path, const std::string& schema) {
  try {
    core::check_schema(core::read_json_file(path), schema, path.string());
    return true;
  } catch (const Error&) {
    return false;
  }
}

constexpr const char* kExample = "result.json";

}  // namespace

void require_model(const std::string& model, std::vector<std::string>& problems) {
  if (model.empty())
    problems.emplace_back("a model is needed: a model directory, a run directory or an archive");
}

void require_data(const std::vector<std::string>& data, const std::string& purpose,
    std::vector<std::string>& problems) {
  if (data.empty()) problems.push_back("--data FILE is needed: " + purpose);
}

void require_output(const std::string& output, std::vector<std::string>& problems) {
  if (output.empty()) problems.emplace_back("--output needs a file name");
}

void check_output_file(const fs::path& path, const std::string& schema, bool force) {
  core::check_output_file(path, schema, kExample, force, [&] { return has_schema(path, schema); });
}

void check_output_text(
    const fs::path& path, const std::string& beginning, const char* what, bool force) {
  core::check_output_file(
      path, what, kExample, force, [&] { return core::begins_with(path, beginning); });
}

int print_result(const CommonOptions& common, const core::Json& json, const std::string& text) {
  std::fputs((common.json ? core::format_json(json) : text).c_str(), stdout);
  return 0;
}

std::string written_text(const std::string& file) {
  return "\nwritten to " + core::printable(file) + "\n";
}

}  // namespace salf::tools
