// Copies of the trained weights: the best ones that a run may go back to, and those in a
// checkpoint.
#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "model/script_model.h"
#include "tensor/tensor_file.h"

namespace salf::train {

// Copies under the same names on the host: in a nameless file in `folder`, so that they do not
// count as anonymous memory; in memory where the disk has no room.
std::vector<tensor::NamedTensor> copies_of(
    const std::vector<tensor::NamedTensor>& tensors, const std::filesystem::path& folder);

// Zeros like these tensors in the same places.
std::vector<at::Tensor> room_like(
    const std::vector<at::Tensor>& tensors, const std::filesystem::path& folder);

// Weights to go back to.
class Snapshot {
 public:
  // `parameters` must outlive this. The file is made in `folder` by the first take().
  Snapshot(const std::vector<model::Parameter>& parameters, std::filesystem::path folder)
      : parameters_(parameters), folder_(std::move(folder)) {}

  void take();
  // Writes the parameters. REQUIRES: take() was called
  void restore() const;
  // As "PREFIXNAME", without copying.
  std::vector<tensor::NamedTensor> tensors(const std::string& prefix) const;

 private:
  const std::vector<model::Parameter>& parameters_;
  std::filesystem::path folder_;
  std::vector<tensor::NamedTensor> copies_;
};

// The parameters themselves as "PREFIXNAME", without copying.
std::vector<tensor::NamedTensor> weight_tensors(
    const std::vector<model::Parameter>& parameters, const std::string& prefix);

// Writes the tensors "PREFIXNAME" into the parameters; false if there are none. Throws
// Error(kBadInput) when one is missing or has another shape.
bool load_weights(const std::vector<model::Parameter>& parameters,
    const std::vector<tensor::NamedTensor>& tensors, const std::string& prefix);

}  // namespace salf::train
