// What would an Adam step buy, block by block? From the gradients of two disjoint batches, before anything was trained.
#pragma once

#include <cstdint>
#include <numeric>
#include <vector>

#include "salf/core/fields.h"

namespace salf::types {

// Of each part max(0, ⟨g_A, sign g_B⟩ + ⟨g_B, sign g_A⟩) / 2, nats per token and unit of learning rate: an Adam step along
// the sign of one batch's gradient lowers the other's loss by that, to first order. Noise has no part in it, for it does not
// agree between the batches.
struct GradientSketch {
  double embedding = 0.0;      // with an untied head, and all that is in no block and not the final norm
  std::vector<double> blocks;  // L
  double final_norm = 0.0;
  std::int64_t supervised_tokens = 0;  // of both batches

  double total() const { return embedding + std::accumulate(blocks.begin(), blocks.end(), final_norm); }
  // X(e): the share of what lies above a cut; 1 at 0, where all is trained. REQUIRES: 0 ≤ eof ≤ L
  double share_above(std::int64_t eof) const {
    const double whole = total();
    if (eof == 0 || !(whole > 0.0)) return 1.0;
    return std::accumulate(blocks.begin() + static_cast<std::ptrdiff_t>(eof), blocks.end(), final_norm) / whole;
  }

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    using core::Field;
    visit(Field{"embedding"}.range(0, 1e30), self.embedding);
    visit(Field{"blocks"}.range(0, 1e30), self.blocks);
    visit(Field{"final_norm"}.range(0, 1e30), self.final_norm);
    visit(Field{"supervised_tokens"}.range(0, 1e15), self.supervised_tokens);
  }
};

}  // namespace salf::types
