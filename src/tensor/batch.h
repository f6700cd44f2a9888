// One batch of documents as tensors. data makes it, model and train read it.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace salf::tensor {

// The label of a position that carries no loss.
inline constexpr std::int64_t kNoLabel = -100;

// Right-padded rows, on the CPU but where on_device() sent them. labels[b, t] is the token after
// position t (ids[b, t+1]) or kNoLabel.
struct Batch {
  at::Tensor ids;        // [B, T] i64; padding is the tokenizer's padding id
  at::Tensor labels;     // [B, T] i64, CPU
  at::Tensor mask;       // [B, T] i64: 1 token, 0 padding; undefined when no row is padded
  at::Tensor documents;  // [B, T] i64, CPU: index of the document of each position in its dataset
  // [S+1] i64, CPU: where segments begin among the B·T positions, row after row, and B·T. Tokens
  // attend within their segment only. Each row begins one, and its padding belongs to its last one.
  // Undefined where each row is one segment.
  at::Tensor segments;
  // [N] i64, of a batch that was sent to a GPU (transfer.h), beside ids and mask: the positions
  // that have a label, among the B·T, and their labels. Undefined on the CPU.
  at::Tensor places, targets;
  std::vector<std::int64_t> source_rows;  // [B] of a data::Batcher; empty when made by hand
  std::int64_t real_tokens = 0;           // tokens that are not padding
  std::int64_t supervised_tokens = 0;     // positions with a label

  std::int64_t rows() const { return ids.size(0); }
  std::int64_t length() const { return ids.size(1); }
  std::int64_t padded_tokens() const { return ids.numel(); }  // what the blocks process
};

}  // namespace salf::tensor
