// Messages for people, written to stderr. Libraries return strings and do not print.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>

namespace salf::core {

// The first level is info. Warnings begin with "salf: warning: ", errors with "salf: error: ".
enum class LogLevel { kDebug, kInfo, kWarning, kError, kOff };

void set_log_level(LogLevel level);
// Stands in each message's prefix from now on: "salf: rank 3: warning: "; "": nothing does.
void set_log_name(const std::string& name);
void log_debug(const std::string& message);
void log_info(const std::string& message);
void log_warning(const std::string& message);
void log_error(const std::string& message);

// `text` with control characters and invalid UTF-8 as \xNN, safe for a terminal. Shows at most
// `limit` bytes, then "…".
std::string printable(const std::string& text, std::size_t limit = 200);
// The same for a path, up to Linux's limit of its length.
std::string printable_path(const std::filesystem::path& path);

}  // namespace salf::core
