// How does a command leave a whole result behind, or none?
#pragma once

#include <filesystem>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

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

}  // namespace salf::convert
