// Where do messages for people go? To stderr, through one logger that main sets up. Libraries hand
// it finished strings; they never print.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>

namespace salf::core {

// Info is the level at the start. Warnings and errors begin with "salf: warning: " and "salf:
// error: ".
enum class LogLevel { kDebug, kInfo, kWarning, kError, kOff };

void set_log_level(LogLevel level);
void log_debug(const std::string& message);
void log_info(const std::string& message);
void log_warning(const std::string& message);
void log_error(const std::string& message);

// `text` with every control character and invalid UTF-8 byte shown as \xNN: what comes out of a
// file is never sent to a terminal as it is. At most `limit` bytes of `text` are shown; "…" stands
// for the rest.
std::string printable(const std::string& text, std::size_t limit = 200);
std::string printable_path(
    const std::filesystem::path& path);  // the same, up to the length of a path in Linux

}  // namespace salf::core
