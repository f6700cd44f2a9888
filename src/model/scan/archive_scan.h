// Checks that an archive is a decoder's program and nothing else. A TorchScript archive is code
// that may read and write files, and some of it could run while it is loaded. So it is checked
// before it is loaded, and again before anything runs.
#pragma once

#include <filesystem>

namespace torch::jit {
struct Module;
}

namespace salf::model {

// Before loading. Throws Error(kIo) when the file cannot be read; Error(kBadModel) when it is no
// TorchScript archive of PyTorch 1.4 or later, claims a record of more than 1,100 times the file's
// size, or holds a pickle that the reader cannot be given (pickle_scan.h). Unless `trusted`, also
// for classes of native code and for methods that run at load.
void scan_archive(const std::filesystem::path& archive, bool trusted);

// After loading, before anything runs. Throws Error(kBadModel) naming every operator outside of the
// allow-list.
void scan_program(const std::filesystem::path& archive, const torch::jit::Module& module);

}  // namespace salf::model
