// What the fuzz targets share. A target's input becomes a file, its reader is called, and only
// salf::Error may come out.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>

#include "core/error.h"
#include "support/temporary_folder.h"

namespace salf::testing {

// Runs it; it may refuse its input.
template <class Action> void attempt(Action action) {
  try {
    action();
  } catch (const Error&) {
  }
}

// The input as a file in memory, under a path that can be opened.
class FuzzFile {
 public:
  FuzzFile(const std::uint8_t* data, std::size_t size) : file_(::memfd_create("fuzz", 0)) {
    if (file_ < 0 || ::write(file_, data, size) != static_cast<ssize_t>(size))
      throw std::runtime_error("memfd_create");
  }
  ~FuzzFile() { ::close(file_); }
  FuzzFile(const FuzzFile&) = delete;
  FuzzFile& operator=(const FuzzFile&) = delete;

  std::filesystem::path path() const { return "/proc/self/fd/" + std::to_string(file_); }

 private:
  int file_;
};

template <class Reader> int fuzz(const std::uint8_t* data, std::size_t size, Reader read) {
  const FuzzFile file(data, size);
  attempt([&] { read(file.path()); });
  return 0;
}

// For readers that want a file of a certain name, or several.
class FuzzFolder {
 public:
  const std::filesystem::path& path() const { return folder_.path(); }

  void write(const std::string& name, const std::string& text) const {
    std::ofstream(folder_ / name, std::ios::binary) << text;
  }

 private:
  TemporaryFolder folder_;
};

}  // namespace salf::testing
