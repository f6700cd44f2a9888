// Picks the logits among forward's results: a tensor, the first fitting member of a tuple, or a
// dictionary's "logits".
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/core/ivalue.h>

#include "tensor/batch.h"

namespace torch::jit {
struct Graph;
struct Value;
}  // namespace torch::jit

namespace salf::model {

// -> [B, T, V]. Throws Error(kBadModel) when no result has that form.
at::Tensor pick_logits(const c10::IValue& result, const tensor::Batch& batch);

// The value in the graph that pick_logits would pick, as far as the graph alone tells.
// Throws Error(kBadModel).
torch::jit::Value* logits_value(torch::jit::Graph& graph);

}  // namespace salf::model
