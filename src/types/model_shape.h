// The sizes of a model that decide costs and depths.
#pragma once

#include "types/candidates.h"

namespace salf::types {

struct ModelShape {
  std::int64_t blocks = 0;                     // L
  std::int64_t hidden = 0;                     // D
  std::int64_t vocabulary = 0;                 // V
  bool tied = false;                           // embedding and head are one tensor
  std::int64_t parameters = 0;                 // elements, each tensor once
  std::int64_t embedding_parameters = 0;       // without the head
  std::int64_t head_parameters = 0;            // 0 when tied
  std::int64_t final_parameters = 0;           // final norm
  std::vector<std::int64_t> block_parameters;  // elements of each block
  std::vector<std::int64_t>
      block_matrix_parameters;  // of these in weight matrices (≥ 2 dimensions)
  // With LoRA: trained elements of each block above the cut, its branches or the whole block. Empty
  // without LoRA.
  std::vector<std::int64_t> block_trained_parameters;

  Method method() const {
    return block_trained_parameters.empty() ? Method::kBlocks : Method::kLora;
  }
  // Whether block `index` is tuned as a whole when it lies above the cut.
  bool is_tuned_whole(std::int64_t index) const;
  // Whether embedding and head are trained at this cut: only in full fine-tuning.
  bool trains_embedding(std::int64_t cut) const;
  // Elements trained at this cut. cut = 0: all of them. cut ≥ 1: blocks cut … L-1 and the
  // final norm. With LoRA: what is trained of blocks cut … L-1, and the final norm if the last
  // block is tuned whole. REQUIRES: 0 ≤ cut < blocks
  std::int64_t trained_parameters(std::int64_t cut) const;

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    visit(Field{"blocks"}.range(1, 1e5), self.blocks);
    visit(Field{"hidden"}.range(1, 1e7), self.hidden);
    visit(Field{"vocabulary"}.range(1, 1e8), self.vocabulary);
    visit("tied", self.tied);
    visit(Field{"parameters"}.range(0, 1e13), self.parameters);
    visit(Field{"embedding_parameters"}.range(0, 1e13), self.embedding_parameters);
    visit(Field{"head_parameters"}.range(0, 1e13), self.head_parameters);
    visit(Field{"final_parameters"}.range(0, 1e13), self.final_parameters);
    visit(Field{"block_parameters"}.range(0, 1e13), self.block_parameters);
    visit(Field{"block_matrix_parameters"}.range(0, 1e13), self.block_matrix_parameters);
    visit(Field{"block_trained_parameters"}.range(0, 1e13), self.block_trained_parameters);
  }
};

}  // namespace salf::types
