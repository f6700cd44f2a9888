// The tensors and constants of a TorchScript archive that is not loaded. The tensors are views of
// the mapped file, so only what is read takes memory, and none of the archive's program runs.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "core/files.h"

namespace salf::model {

// A plain attribute of a module.
using ArchiveConstant = std::variant<std::int64_t, double, std::vector<double>>;

class MappedArchive {
 public:
  // Throws Error(kIo) when the file is missing or cannot be read, and Error(kBadModel) when it is
  // no TorchScript archive, is truncated or damaged, or is one that ScriptModel::load would refuse
  // before it looks at the program.
  explicit MappedArchive(
      const std::filesystem::path& archive, core::MapAccess access = core::MapAccess::kRead);
  ~MappedArchive();
  MappedArchive(MappedArchive&&) noexcept;

  // Of the outermost module: "__torch__.salf.llama.CausalModel".
  const std::string& class_name() const;
  // By path ("model.layers.0.mlp.up_proj.weight"). A tensor under two paths is listed under both,
  // with one data_ptr(). Mapped for reading alone, writing to one would crash the program. Their
  // strides are the file's, and may be 0.
  const std::map<std::string, at::Tensor>& tensors() const;
  const std::map<std::string, ArchiveConstant>& constants() const;
  // Gives the tensor's pages back to the system; they return from the file when they are read
  // again.
  void release(const at::Tensor& tensor) const;

 private:
  struct Contents;
  std::unique_ptr<const Contents> contents_;
};

}  // namespace salf::model
