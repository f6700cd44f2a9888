#include "convert/export/export_source.h"
#include "convert/gguf/dequantize.h"
#include "core/clock.h"
#include "core/error.h"
#include "core/files.h"
#include "core/log.h"

namespace salf::convert {
std::optional<ExportResult> run_export(
    const std::filesystem::path& source, const std::function<ExportResult()>& exporter) {
  const core::Stopwatch watch;
  std::optional<ExportResult> result = run_unless_stopped(source, "the export", exporter);
  if (result) result->seconds = watch.seconds();
  return result;
}

void check_export_file(const std::filesystem::path& file, const ExportFile& kind,
    const std::filesystem::path& archive, bool overwrite, ExportResult& result) {
  core::check_output_file(file, kind.what, kind.example, overwrite, [&] {
    std::error_code error;
    if (std::filesystem::equivalent(file, archive, error)) {
      throw Error(ErrorKind::kUsage,
          core::printable_path(file) + ": is the model itself; give another --output");
    }
    return core::begins_with(file, kind.magic);
  });
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
