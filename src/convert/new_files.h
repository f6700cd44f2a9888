// How does a command leave a whole result behind, or none?
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "salf/core/error.h"
#include "salf/core/files.h"
#include "salf/core/log.h"
#include "salf/core/text.h"

namespace salf::convert {

// The files of the result, removed again unless all were written; those that were there before
// stay.
class NewFiles {
 public:
  explicit NewFiles(std::filesystem::path directory) : directory_(std::move(directory)) {}
  ~NewFiles() {
    if (finished_) return;
    std::error_code ignored;
    for (const std::string& name : written_) std::filesystem::remove(directory_ / name, ignored);
  }
  NewFiles(const NewFiles&) = delete;
  NewFiles& operator=(const NewFiles&) = delete;

  std::filesystem::path add(const std::string& name) {
    std::filesystem::path path = directory_ / name;
    if (!std::filesystem::exists(path)) written_.push_back(name);
    return path;
  }
  void finish() { finished_ = true; }

 private:
  std::filesystem::path directory_;
  std::vector<std::string> written_;
  bool finished_ = false;
};

// Throws Error(kIo) where the disk has no room for `needed` bytes.
inline void check_disk(const std::filesystem::path& place, std::uint64_t needed) {
  const std::uint64_t free = core::free_disk_bytes(place);
  if (free >= needed) return;
  throw Error(ErrorKind::kIo, core::printable_path(place) +
                                  ": not enough disk space: needed " + core::format_bytes(needed) +
                                  ", free " + core::format_bytes(free));
}

}  // namespace salf::convert
