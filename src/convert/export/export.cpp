#include "convert/export/export.h"

#include <fstream>

#include "convert/export/export_targets.h"
#include "convert/gguf/dequantize.h"
#include "convert/output.h"
#include "core/clock.h"
#include "core/error.h"
#include "core/files.h"
#include "core/log.h"

namespace salf::convert {
namespace {

namespace fs = std::filesystem;

bool begins_with(const fs::path& file, const std::string& magic) {
  std::ifstream in(file, std::ios::binary);
  std::string begin(magic.size(), '\0');
  in.read(begin.data(), static_cast<std::streamsize>(begin.size()));
  return in.good() && begin == magic;
}

}  // namespace

std::optional<ExportResult> run_export(
    const fs::path& source, const std::function<ExportResult()>& exporter) {
  const core::Stopwatch watch;
  std::optional<ExportResult> result;
  run_unless_stopped(source, "the export", [&] { result = exporter(); });
  if (result) result->seconds = watch.seconds();
  return result;
}

void check_export_file(const fs::path& file, const ExportFile& kind, const fs::path& archive,
    bool overwrite, ExportResult& result) {
  const std::string name = core::printable_path(file);
  const auto refuse = [&name](const std::string& problem) {
    throw Error(ErrorKind::kUsage, name + ": " + problem);
  };
  std::error_code error;
  if (fs::is_directory(file, error))
    refuse("is a folder; --output names the file to write, such as " + name + "/" + kind.example);
  if (fs::exists(file, error)) {
    if (fs::equivalent(file, archive, error)) refuse("is the model itself; give another --output");
    if (!begins_with(file, kind.magic))
      refuse("holds something else and is not replaced; give another --output");
    if (!overwrite) refuse("exists already; --force replaces it, --output names another file");
  }
  error.clear();
  if (file.has_parent_path()) fs::create_directories(file.parent_path(), error);
  if (error) throw Error(ErrorKind::kIo, name + ": its folder cannot be made: " + error.message());
  const core::AtomicFile trial(file);  // fails here, not after the work
  if (!std::ofstream(trial.temporary_path()))
    throw Error(ErrorKind::kIo, name + ": its folder cannot be written to");
  result.output = file.string();
  result.files = {file.filename().string()};
}

std::string dtype_name(c10::ScalarType type) {
  const auto known = tensor_type(type);
  return known ? tensor_type_name(*known) : c10::toString(type);
}

void warn(ExportResult& result, const std::string& warning) {
  core::log_warning(warning);
  result.warnings.push_back(warning);
}

}  // namespace salf::convert
