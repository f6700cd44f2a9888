// Checks that a command may write its result to a file.
#pragma once

#include <filesystem>
#include <string>

namespace salf::tools {

// Called before the work. Makes the folder of the file. An existing file may be replaced only with
// `force`, and only if it is a document of this schema. Throws Error(kUsage), or Error(kIo) where
// nothing can be written.
void check_output_file(const std::filesystem::path& path, const std::string& schema, bool force);

// The same for a text that begins with `beginning`; `what` names it ("page").
void check_output_text(
    const std::filesystem::path& path, const std::string& beginning, const char* what, bool force);

// The folder of the file; "." for a bare name.
std::filesystem::path folder_of(const std::filesystem::path& file);

}  // namespace salf::tools
