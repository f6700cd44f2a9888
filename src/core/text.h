// Number formats, UTF-8 checks and small text functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace salf::core {

// `digits` significant digits without trailing zeros; the whole part is complete: 0.4218, 12346,
// 1.5e-07.
std::string format_number(double value, int digits = 4);
std::string format_count(std::int64_t value);            // 1,234,567
std::string format_seconds(double seconds);              // 0.42 s, 12 s, 3 min 05 s, 2 h 10 min
std::string format_flops(double flops, int digits = 4);  // 1.234PFLOP: as a budget is written
std::string format_bytes(std::uint64_t bytes);           // 98.4 MB (powers of ten)
std::string join(const std::vector<std::string>& parts, const std::string& separator);
// The finite number that the whole text is, or nothing.
std::optional<double> parse_number(std::string_view text);
std::string without_blanks(std::string text);  // and tabs

std::string ascii_lower(std::string text);  // A-Z in lower case

bool starts_with(std::string_view text, std::string_view start);
bool ends_with(std::string_view text, std::string_view end);

// The first byte that is not valid UTF-8 (overlong forms, surrogates and values above U+10FFFF are
// invalid), or nothing.
std::optional<std::size_t> invalid_utf8(std::string_view text);

// The closest candidate by edit distance, or "" if none is near enough for a typing error.
std::string closest(const std::string& word, const std::vector<std::string>& candidates);

}  // namespace salf::core
