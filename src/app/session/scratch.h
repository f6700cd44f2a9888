// Where files without a name go: what is kept of the frozen part, and weights that are not read.
#pragma once

#include <filesystem>
#include <string>

namespace salf::app {

// `given` (--scratch); "": $TMPDIR, where it is a folder on a disk that files can be made in; else
// `fallback`, the folder of the result. Throws Error(kIo) where no file can be made in `given`.
std::filesystem::path scratch_folder(
    const std::string& given, const std::filesystem::path& fallback);

}  // namespace salf::app
