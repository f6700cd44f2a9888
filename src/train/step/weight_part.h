// ZeRO-1 (Rajbhandari et al. 2020, arXiv 1910.02054): each rank updates its part of the trained
// weights, with the optimizer's state of that part alone, and the ranks send one another what they
// updated. Weights, moments and checkpoints are bit for bit those of ranks that update everything.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "distributed/group.h"
#include "model/script_model.h"
#include "model/weights/narrow_weights.h"
#include "tensor/tensor_file.h"
#include "train/step/optimizer.h"
#include "train/step/pieces.h"

namespace salf::train {

// A parameter that steps read by its copy alone is sent as that copy. On the CPU it is itself not
// current between gather_weights() and the next step, and may lie in a file: this has the float32
// of the rank's part. All ranks make the same calls but weights_changed().
class WeightPart {
 public:
  // The references must outlive this. REQUIRES: parameters are contiguous
  WeightPart(distributed::Group& ranks, const std::vector<model::Parameter>& trained,
      const std::vector<Piece>& pieces, std::shared_ptr<model::NarrowWeights> narrow);

  // What this rank updates, for an optimizer: [1, n] of a parameter of two or more dimensions, else
  // [n]. The names end with the parameters'.
  const std::vector<model::Parameter>& ranges() const { return weights_; }

  // The parameters were written by somebody else.
  void weights_changed() { stale_ = true; }
  // Before the update: the gradients of this rank's part, by piece.
  void begin_update(const std::vector<at::Tensor>& gradients);
  // After it: parameters and copies become current.
  void share_update();
  // All parameters become current in float32.
  void gather_weights();

  // AdamW::state of whole parameters, in a nameless file in `folder` or, where its disk has no
  // room, in memory. Nothing where it is not `wanted`.
  std::vector<tensor::NamedTensor> state(const AdamW& optimizer, const std::string& prefix,
      const std::filesystem::path& folder, bool wanted);
  // AdamW::load_state of state().
  void load_state(AdamW& optimizer, const std::vector<tensor::NamedTensor>& tensors,
      const std::string& prefix, std::int64_t steps) const;

 private:
  struct Range {
    std::size_t piece = 0;
    Segment segment;     // of this rank's part
    bool apart = false;  // the weight is no view of the parameter
  };
  // What of a piece travels: nothing, or numbers of a type.
  using TypeOf = std::function<std::optional<c10::ScalarType>(const Piece&)>;
  using Take = std::function<void(const Piece&, const Segment&, const at::Tensor& elements)>;
  void gather(const std::vector<at::Tensor>& own, const TypeOf& type, const Take& take);
  at::Tensor packed(const std::vector<at::Tensor>& own, std::size_t piece, c10::ScalarType type,
      std::size_t& next) const;
  std::vector<at::Tensor> weights() const;
  std::vector<double> steps_of(const std::vector<tensor::NamedTensor>& own);

  distributed::Group& ranks_;
  const std::vector<model::Parameter>& trained_;
  const std::vector<Piece>& pieces_;
  std::shared_ptr<model::NarrowWeights> narrow_;  // shared with the cuts; null in float32
  std::vector<Range> ranges_;                     // in the order of the pieces
  std::vector<model::Parameter> weights_;         // of the ranges
  bool stale_ = true;
};

}  // namespace salf::train
