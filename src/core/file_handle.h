// A file descriptor with an owner, for the .cpp files of core.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>

namespace salf::core {

// Closes the descriptor in the destructor.
class FileHandle {
 public:
  explicit FileHandle(int descriptor) : descriptor_(descriptor) {}
  ~FileHandle();
  FileHandle(FileHandle&& other) noexcept : descriptor_(other.release()) {}
  FileHandle(const FileHandle&) = delete;
  FileHandle& operator=(const FileHandle&) = delete;
  FileHandle& operator=(FileHandle&&) = delete;

  int get() const { return descriptor_; }
  bool open() const { return descriptor_ >= 0; }
  // Hands the descriptor to the caller.
  int release();
  // At most `size` bytes, 0 at the end of the file. Throws Error(kIo) that names `path`.
  std::size_t read_some(char* bytes, std::size_t size, const std::filesystem::path& path) const;

 private:
  int descriptor_;
};

// Throws Error(kIo) for a file that is missing, a folder or unreadable.
FileHandle open_for_reading(const std::filesystem::path& path);

// Throws Error(kIo): "WHAT PATH: " and the text of errno.
[[noreturn]] void throw_system_error(const std::string& what, const std::filesystem::path& path);

}  // namespace salf::core
