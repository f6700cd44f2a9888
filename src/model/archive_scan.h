// Is this archive a decoder's program and nothing else? A TorchScript archive is code that may read and write
// files, and some of it runs while it is loaded, so its source is looked at first.
#pragma once

#include <filesystem>

namespace salf::model {

// Throws Error(kIo) when the file cannot be read, Error(kBadModel) when it is no TorchScript archive or its code
// names operators that reach outside of the process, or hooks that run at load.
void scan_archive(const std::filesystem::path& archive);

}  // namespace salf::model
