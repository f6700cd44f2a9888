#include "output_file.h"

#include <fstream>
#include <system_error>

#include "salf/core/error.h"
#include "salf/core/files.h"
#include "salf/core/json.h"
#include "salf/core/log.h"

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

}  // namespace

void check_output_file(const fs::path& path, const std::string& schema, bool force) {
  const std::string name = core::printable(path.string());
  std::error_code error;
  if (fs::is_directory(path, error)) {
    throw Error(ErrorKind::kUsage, name + ": is a folder; --output names the file to write, such as " + name + "/result.json");
  }
  const bool exists = fs::exists(path, error);
  if (exists && !has_schema(path, schema)) {
    throw Error(ErrorKind::kUsage, name + ": holds something else than a " + schema + " and is not replaced; give another --output");
  }
  if (exists && !force) {
    throw Error(ErrorKind::kUsage, name + ": exists already; --force replaces it, --output names another file");
  }
  error.clear();
  if (path.has_parent_path()) fs::create_directories(path.parent_path(), error);
  if (error) throw Error(ErrorKind::kIo, name + ": its folder cannot be made: " + error.message());
  const core::AtomicFile trial(path);  // fails here, not after the work
  if (!std::ofstream(trial.temporary_path())) throw Error(ErrorKind::kIo, name + ": its folder cannot be written to");
}

}  // namespace salf::tools
