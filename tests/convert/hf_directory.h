// Hugging Face directories for tests: the golden ones, and altered copies of them.
#pragma once

#include <filesystem>
#include <functional>
#include <string>

#include "convert/import/import.h"
#include "core/json.h"
#include "support/temporary_folder.h"
#include "tensor/tensor_file.h"

namespace salf::convert {

inline std::filesystem::path golden_directory(const std::string& name) {
  return std::filesystem::path(SALF_TEST_DATA) / "import_hf" / name;
}

inline ImportResult import_directory_quietly(const std::filesystem::path& source,
    const std::filesystem::path& directory, bool overwrite = false) {
  core::Progress progress;
  return import_hugging_face(source, directory, progress, overwrite).value();
}

// A copy of a golden directory that may be altered.
class HfDirectory {
 public:
  explicit HfDirectory(const std::string& name) : path_(folder_ / name) {
    std::filesystem::copy(golden_directory(name), path_);
    std::filesystem::remove(path_ / "expected.safetensors");
  }

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path output() const { return folder_ / "model"; }

  HfDirectory& config(const std::function<void(core::Json&)>& change) {
    core::Json json = core::read_json_file(path_ / "config.json");
    change(json);
    core::write_json_file(path_ / "config.json", json);
    return *this;
  }
  HfDirectory& index(const std::function<void(core::Json&)>& change) {
    core::Json json = core::read_json_file(path_ / "model.safetensors.index.json");
    change(json);
    core::write_json_file(path_ / "model.safetensors.index.json", json);
    return *this;
  }
  HfDirectory& tensors(const std::function<void(std::vector<tensor::NamedTensor>&)>& change) {
    tensor::TensorFile file = tensor::read_tensor_file(path_ / "model.safetensors");
    change(file.tensors);
    tensor::write_tensor_file(path_ / "model.safetensors", file);
    return *this;
  }

 private:
  testing::TemporaryFolder folder_;
  std::filesystem::path path_;
};

}  // namespace salf::convert
