// Which parameters a cut trains.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "model/graph/graph_cut.h"
#include "model/script_model.h"
#include "types/lora_settings.h"

namespace salf::train {

// While it lives, requires_grad of the model's parameters is that of a cut; afterwards it is what
// it was, and gradients are dropped.
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

  // From now on, of what was trained only these blocks and the final norm are; gradients are
  // dropped. The other blocks keep their optimizer state. REQUIRES: each is a trained block
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
  struct Loaded {
    at::Tensor tensor;
    bool requires_grad;
  };
  std::vector<Loaded> loaded_;  // of all, to go back to
};

}  // namespace salf::train
