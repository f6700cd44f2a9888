#include "commands/common_options.h"

#include <cstdio>
#include <fstream>
#include <system_error>

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

void check_output_file(const fs::path& path, const std::string& schema, bool force) {
  check_output(path, schema, force, [&] { return has_schema(path, schema); });
}

void check_output_text(
    const fs::path& path, const std::string& beginning, const char* what, bool force) {
  check_output(path, what, force, [&] { return begins_with(path, beginning); });
}

int print_result(const CommonOptions& common, const core::Json& json, const std::string& text) {
  std::fputs((common.json ? core::format_json(json) : text).c_str(), stdout);
  return 0;
}

std::string written_text(const std::string& file) {
  return "\nwritten to " + core::printable(file) + "\n";
}

}  // namespace salf::tools
