#include "convert/export/export.h"

#include <c10/util/Exception.h>

#include <fstream>
#include <new>

#include "convert/export/export_targets.h"
#include "core/clock.h"
#include "core/error.h"
#include "core/files.h"
#include "core/log.h"
#include "core/signals.h"

namespace salf::convert {
namespace {

namespace fs = std::filesystem;

template <class Exporter>
std::optional<ExportResult> exported(const fs::path& source, const Exporter& exporter) {
  const core::Stopwatch watch;
  try {
    ExportResult result = exporter();
    result.seconds = watch.seconds();
    return result;
  } catch (const ExportStopped&) {
    return std::nullopt;
  } catch (const c10::Error& error) {
    throw Error(ErrorKind::kInternal,
        core::printable_path(source) + ": the export failed: " + error.what_without_backtrace());
  } catch (const std::bad_alloc&) {
    throw Error(ErrorKind::kIo,
        core::printable_path(source) + ": not enough memory for the model's largest tensor");
  }
}

bool begins_with(const fs::path& file, const std::string& magic) {
  std::ifstream in(file, std::ios::binary);
  std::string begin(magic.size(), '\0');
  in.read(begin.data(), static_cast<std::streamsize>(begin.size()));
  return in.good() && begin == magic;
}

}  // namespace

void check_export_file(const fs::path& file, const std::string& magic, const fs::path& archive,
    bool overwrite, const std::string& example) {
  const std::string name = core::printable_path(file);
  std::error_code error;
  if (fs::is_directory(file, error))
    throw Error(ErrorKind::kUsage,
        name + ": is a folder; --output names the file to write, such as " + name + "/" + example);
  if (fs::exists(file, error)) {
    if (fs::equivalent(file, archive, error))
      throw Error(ErrorKind::kUsage, name + ": is the model itself; give another --output");
    if (!begins_with(file, magic))
      throw Error(ErrorKind::kUsage,
          name + ": holds something else and is not replaced; give another --output");
    if (!overwrite)
      throw Error(ErrorKind::kUsage,
          name + ": exists already; --force replaces it, --output names another file");
  }
  error.clear();
  if (file.has_parent_path()) fs::create_directories(file.parent_path(), error);
  if (error) throw Error(ErrorKind::kIo, name + ": its folder cannot be made: " + error.message());
  const core::AtomicFile trial(file);  // fails here, not after the work
  if (!std::ofstream(trial.temporary_path()))
    throw Error(ErrorKind::kIo, name + ": its folder cannot be written to");
}

void check_stop() {
  if (core::stop_signal() != 0) throw ExportStopped();
}

std::string dtype_name(c10::ScalarType type) {
  if (type == c10::kFloat) return "F32";
  if (type == c10::kHalf) return "F16";
  if (type == c10::kBFloat16) return "BF16";
  return c10::toString(type);
}

void warn(ExportResult& result, const std::string& warning) {
  core::log_warning(warning);
  result.warnings.push_back(warning);
}

std::optional<ExportResult> export_hugging_face(const fs::path& source, const fs::path& directory,
    const HfExportOptions& options, core::Progress& progress, bool overwrite) {
  return exported(
      source, [&] { return write_hugging_face(source, directory, options, progress, overwrite); });
}

std::optional<ExportResult> export_gguf(const fs::path& source, const fs::path& file, GgufType type,
    core::Progress& progress, bool overwrite) {
  return exported(
      source, [&] { return write_gguf_export(source, file, type, progress, overwrite); });
}

std::optional<ExportResult> export_torchscript(const fs::path& source, const fs::path& file,
    bool trusted, core::Progress& progress, bool overwrite) {
  return exported(source, [&] { return copy_archive(source, file, trusted, progress, overwrite); });
}

}  // namespace salf::convert
