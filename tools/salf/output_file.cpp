#include "output_file.h"

#include "core/error.h"
#include "core/files.h"
#include "core/json.h"

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

void check_output_file(const fs::path& path, const std::string& schema, bool force) {
  core::check_output_file(path, schema, kExample, force, [&] { return has_schema(path, schema); });
}

void check_output_text(
    const fs::path& path, const std::string& beginning, const char* what, bool force) {
  core::check_output_file(
      path, what, kExample, force, [&] { return core::begins_with(path, beginning); });
}

}  // namespace salf::tools
