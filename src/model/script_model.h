// A loaded model: a TorchScript decoder forward(input_ids[, attention_mask]) → logits and its
// parameters, each tensor once. It runs and is saved.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "tensor/batch.h"

namespace torch::jit {
struct Module;
}

namespace salf::model {

struct Parameter {
  std::string name;                  // the first path under which the module lists it
  std::vector<std::string> aliases;  // further paths of the same tensor (tied weights)
  at::Tensor tensor;                 // live: changing it changes the model
};

class ScriptModel {
 public:
  // Loads an archive onto `device`. An archive is a program: unless it is `trusted`, one whose code
  // could do more than compute is refused before any of it runs. Throws Error(kIo) when missing,
  // Error(kBadModel) when it is no TorchScript archive, is refused, or its forward does not take
  // ids. With a `scratch` folder, weights on the CPU lie in nameless files there instead of
  // anonymous memory (Error(kIo) where its disk has no room).
  static ScriptModel load(const std::filesystem::path& archive, c10::Device device,
      bool trusted = false, const std::filesystem::path& scratch = {});
  // Takes a module made in this process (import, tests).
  explicit ScriptModel(const torch::jit::Module& module);
  ~ScriptModel();
  ScriptModel(ScriptModel&&) noexcept;
  ScriptModel& operator=(ScriptModel&&) noexcept;

  // Float32 weights on the CPU become views of the archive from which this model was loaded. They
  // are file cache until they are written, and what is written stays in this process. Nothing
  // changes where the archive has changed or cannot be mapped.
  void map_weights();
  // Whether it is such a view and has not been written since.
  bool lies_in_archive(const Parameter& parameter) const;

  // The whole model's logits [B, T, V].
  at::Tensor forward(const tensor::Batch& batch) const;

  const std::vector<Parameter>& parameters() const;
  // By name or alias; nullptr if there is none.
  const Parameter* find_parameter(const std::string& name) const;
  const Parameter& parameter(const std::string& name) const;  // throws Error(kInternal) instead
  std::int64_t parameter_count() const;                       // elements, each tensor once

  // Writes the original program with the present weights, on the CPU, in their loaded dtypes and
  // requires_grad, atomically. The same weights give the same bytes. Throws Error(kIo).
  void save(const std::filesystem::path& archive) const;

  c10::Device device() const;
  // True if forward takes an attention mask, and if it may be None there.
  bool takes_mask() const;
  bool mask_optional() const;
  const torch::jit::Module& module() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace salf::model
