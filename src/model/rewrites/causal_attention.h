// Replaces attention with a causal mask by causal attention without one. Where batches are
// right-padded, a causal mask hides padding from every real token by itself, and kernels without a
// mask are faster. A mask's values tell whether it is causal.
#pragma once

#include <ATen/core/ivalue.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "model/graph/program.h"

namespace salf::model {

// A right-padded batch on which masks are looked at.
struct MaskCheck {
  std::vector<c10::IValue> arguments;  // the program's: forward's, then the slice's inputs
  std::int64_t length = 0;             // T
  std::vector<std::int64_t> rows;      // real tokens of each row
};

// Removes, from the calls of salf::attention in the flat `graph`, each mask that
// in every check shows a real token the tokens up to itself, all of them, and nothing else; padding
// may see anything. Only masks that come from the attention mask (`mask_argument` of forward, if it
// has one), from shapes and from constants are looked at, since other ids and training do not
// change them. Returns the number of calls without their mask.
std::size_t drop_causal_masks(const GraphPointer& graph, const torch::jit::Module& module,
    std::optional<std::size_t> mask_argument, const std::vector<MaskCheck>& trials);

}  // namespace salf::model
