#include "generate/reader.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>

#include <algorithm>

#include "core/error.h"

namespace salf::generate {

Reader::Reader(const model::GraphCut& graph, std::int64_t longest, Reading how)
    : whole_(graph), longest_(longest) {
  if (how == Reading::kWhole) return;
  try {
    pieces_ = graph.in_pieces(longest);
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::kMemory) throw;
    reason_ = error.what();
  }
}

void Reader::restart() {
  text_.clear();
  cache_.forget();
}

at::Tensor Reader::read(const std::vector<std::int64_t>& ids) {
  const at::NoGradGuard no_gradients;
  text_.insert(text_.end(), ids.begin(), ids.end());
  if (tokens() > longest_) {
    throw Error(ErrorKind::kUsage, "a text of " + std::to_string(tokens()) +
                                       " tokens is longer than the model's context of " +
                                       std::to_string(longest_) + "; give a shorter prompt");
  }
  if (!pieces_) return last_logits(whole_, 0);
  const auto piece = [this] {
    const std::int64_t from = cache_.tokens();
    const ops::KeyValueCache::Pass pass(cache_, tokens() - from);
    return last_logits(*pieces_, from);
  };
  at::Tensor logits = piece();
  if (!cache_.expired()) return logits;
  cache_.forget();
  return piece();
}

at::Tensor Reader::last_logits(const model::GraphCut& graph, std::int64_t from) const {
  tensor::Batch batch;
  batch.ids = at::empty({1, tokens() - from}, at::TensorOptions(at::kLong));
  std::copy(text_.begin() + from, text_.end(), batch.ids.mutable_data_ptr<std::int64_t>());
  const at::Tensor state = graph.suffix(graph.prefix(batch, 0), batch, 0);
  const at::Tensor last = state.select(1, state.size(1) - 1);  // [1, D]
  return graph.head()(last).squeeze(0).to(at::kCPU, at::kFloat);
}

}  // namespace salf::generate
