// What a file is, by its first bytes: to name files that were given in place of others.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace salf::core {

// True for a Git LFS pointer, which stands for a file that was not fetched.
bool is_lfs_pointer(std::string_view first_bytes);

// What the bytes begin ("a Parquet file"), for formats that are not text, and for texts in UTF-16.
// Nothing for other bytes.
std::optional<std::string> binary_kind(std::string_view first_bytes);

// The first `count` bytes, or fewer at the end of the file; "" for one that cannot be read.
std::string first_bytes(const std::filesystem::path& path, std::size_t count = 512);

// Throws Error(kBadInput) for a Git LFS pointer, with the command that fetches the file.
void refuse_lfs_pointer(const std::filesystem::path& path);
[[noreturn]] void throw_lfs_pointer(const std::string& file);

}  // namespace salf::core
