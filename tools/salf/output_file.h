// Checks that a command may write its result to a file.
#pragma once

#include <filesystem>
#include <string>

namespace salf::tools {

// core::check_output_file for a document of this schema.
void check_output_file(const std::filesystem::path& path, const std::string& schema, bool force);

// The same for a text that begins with `beginning`; `what` names it ("page").
void check_output_text(
    const std::filesystem::path& path, const std::string& beginning, const char* what, bool force);

}  // namespace salf::tools
