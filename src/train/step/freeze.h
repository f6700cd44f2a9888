// Which parameters does a cut train?
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "model/graph/graph_cut.h"
#include "model/script_model.h"
#include "types/lora_settings.h"

namespace salf::train {

// Within its life, requires_grad of the model's parameters is that of a cut. At the end gradients
// are dropped and requires_grad is what it was, so that the model is saved as it was loaded.
//   cut 0: every floating-point parameter is trained, embedding and head included.
//   cut ≥ 1: blocks cut … L-1 and the final norm are trained; embedding, blocks 0 … cut-1, the head
//   and whatever belongs to none of these (position embeddings) are frozen.
// Where the cut has branches (GraphCut::use_lora), they are trained, and besides only the blocks
// `whole`, with the final norm if the last block is among them.
class Freeze {
 public:
  // REQUIRES: 0 ≤ cut < L; model outlives this.
  Freeze(const model::ScriptModel& model, const model::GraphCut& graph, std::int64_t cut,
      const std::optional<types::BlockRange>& whole = {});
  ~Freeze();
  Freeze(const Freeze&) = delete;
  Freeze& operator=(const Freeze&) = delete;

  // From now on, of what was trained only these blocks and the final norm are: any set, in the
  // whole graph. Gradients are dropped. What belongs to a block that is not among them keeps its
  // optimizer state and is left alone. REQUIRES: each is a trained block
  void train_only(const model::GraphCut& graph, const std::vector<std::int64_t>& blocks);

  const std::vector<model::Parameter>& trained() const { return trained_; }
  const std::vector<model::Parameter>& frozen() const { return frozen_; }
  std::int64_t trained_count() const;  // elements

  // The gradients, in the order of trained(), undefined where none came. The parameters have none
  // afterwards.
  std::vector<at::Tensor> take_gradients() const;

  // Throws Error(kInternal), naming it, if a frozen parameter has a gradient.
  void check() const;

 private:
  void add(const model::Parameter& parameter, bool train);

  std::vector<model::Parameter> trained_, frozen_;
  std::vector<bool> trained_before_, frozen_before_;  // requires_grad as loaded
};

}  // namespace salf::train
