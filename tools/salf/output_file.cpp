#include "output_file.h"

#include <fstream>
#include <functional>
#include <system_error>

#include "core/error.h"
#include "core/files.h"
#include "core/json.h"
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

bool begins_with(const fs::path& path, const std::string& beginning) {
  std::ifstream file(path, std::ios::binary);
  std::string found(beginning.size(), ' ');
  file.read(found.data(), static_cast<std::streamsize>(found.size()));
  return file && found == beginning;
}

// `is_ours`: whether what is at `path` may be replaced.
void check_output(const fs::path& path, const std::string& what, bool force,
    const std::function<bool()>& is_ours) {
  const std::string name = core::printable(path.string());
  std::error_code error;
  if (fs::is_directory(path, error)) {
    throw Error(ErrorKind::kUsage,
        name + ": is a folder; --output names the file to write, such as " + name + "/result.json");
  }
  const bool exists = fs::exists(path, error);
  if (exists && !is_ours()) {
    throw Error(ErrorKind::kUsage, name + ": holds something else than a " + what +
                                       " and is not replaced; give another --output");
  }
  if (exists && !force) {
    throw Error(ErrorKind::kUsage,
        name + ": exists already; --force replaces it, --output names another file");
  }
  error.clear();
  if (path.has_parent_path()) fs::create_directories(path.parent_path(), error);
  if (error) throw Error(ErrorKind::kIo, name + ": its folder cannot be made: " + error.message());
  const core::AtomicFile trial(path);  // fails here, not after the work
  if (!std::ofstream(trial.temporary_path()))
    throw Error(ErrorKind::kIo, name + ": its folder cannot be written to");
}

}  // namespace

void check_output_file(const fs::path& path, const std::string& schema, bool force) {
  check_output(path, schema, force, [&] { return has_schema(path, schema); });
}

void check_output_text(
    const fs::path& path, const std::string& beginning, const char* what, bool force) {
  check_output(path, what, force, [&] { return begins_with(path, beginning); });
}

std::filesystem::path folder_of(const std::filesystem::path& file) {
  return file.has_parent_path() ? file.parent_path() : std::filesystem::path(".");
}

}  // namespace salf::tools
