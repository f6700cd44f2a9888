// The exporters as export.cpp calls them, and what they share. They throw what export.h says, and
// LibTorch's own exceptions.
#pragma once

#include <c10/core/ScalarType.h>

#include <filesystem>
#include <string>

#include "convert/export/export.h"

namespace salf::convert {

ExportResult write_hugging_face(const std::filesystem::path& source,
    const std::filesystem::path& directory, const HfExportOptions& options,
    core::Progress& progress, bool overwrite);
ExportResult write_gguf_export(const std::filesystem::path& source,
    const std::filesystem::path& file, GgufType type, core::Progress& progress, bool overwrite);
ExportResult copy_archive(const std::filesystem::path& source, const std::filesystem::path& file,
    bool trusted, core::Progress& progress, bool overwrite);

// May the export be written to this file? Makes its folder. A file is replaced only with
// `overwrite`, only if it begins with `magic`, and never if it is `archive`, the export's source.
// Throws Error(kUsage), or Error(kIo) where nothing can be written. `example`: a file name for
// messages.
void check_export_file(const std::filesystem::path& file, const std::string& magic,
    const std::filesystem::path& archive, bool overwrite, const std::string& example);

// Leaves an export that a signal asked to stop.
struct ExportStopped {};
// Throws it, if one did.
void check_stop();

// "F32", "F16", "BF16"; LibTorch's name of others.
std::string dtype_name(c10::ScalarType type);

// Adds and logs it.
void warn(ExportResult& result, const std::string& warning);

}  // namespace salf::convert
