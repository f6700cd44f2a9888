// What the exporters share.
#pragma once

#include <c10/core/ScalarType.h>

#include <filesystem>
#include <functional>
#include <string>

#include "convert/export/export.h"

namespace salf::convert {

// Runs an exporter and sets result.seconds. Nothing where a signal stopped it (see output.h).
std::optional<ExportResult> run_export(
    const std::filesystem::path& source, const std::function<ExportResult()>& exporter);

// A result in one file: its folder is made, and the file is checked before the work. A file is
// replaced only with `overwrite`, only if it begins with `magic`, and never if it is `archive`, the
// export's source. Throws Error(kUsage), or Error(kIo) where nothing can be written. `example`: a
// file name for messages. Sets result.output and result.files.
struct ExportFile {
  std::string magic;
  std::string example;
};
void check_export_file(const std::filesystem::path& file, const ExportFile& kind,
    const std::filesystem::path& archive, bool overwrite, ExportResult& result);

// "F32", "F16", "BF16"; LibTorch's name of others.
std::string dtype_name(c10::ScalarType type);

// Adds and logs it.
void warn(ExportResult& result, const std::string& warning);

}  // namespace salf::convert
