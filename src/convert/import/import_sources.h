// The importers as import.cpp calls them: one for each kind of source. They throw what import.h
// says, and LibTorch's own exceptions.
#pragma once

#include <filesystem>

#include "convert/import/model_output.h"

namespace salf::convert {

// The user asked to stop: import.cpp catches it.
struct ImportStopped {};

ImportResult import_gguf_file(const std::filesystem::path& source,
    const std::filesystem::path& directory, core::Progress& progress, bool overwrite);

ImportResult import_directory(const std::filesystem::path& source,
    const std::filesystem::path& directory, core::Progress& progress, bool overwrite);

}  // namespace salf::convert
