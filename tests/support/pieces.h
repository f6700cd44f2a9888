// A text read token by token against the same text at once.
#pragma once

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>

#include "model/graph/graph_cut.h"
#include "ops/key_value_cache.h"

namespace salf::testing {

inline at::Tensor logits_of(const model::GraphCut& graph, const at::Tensor& ids) {
  tensor::Batch batch;
  batch.ids = ids;
  const at::Tensor state = graph.suffix(graph.prefix(batch, 0), batch, 0);
  return graph.head()(state.flatten(0, 1));
}

// The largest difference of the logits, absolute, where all but `first` tokens come one by one.
// `ids` [1, T]. Where the cache expires, the text is read again.
inline double difference_in_pieces(
    const model::GraphCut& graph, const at::Tensor& ids, std::int64_t first) {
  const at::NoGradGuard no_gradients;
  const model::GraphCut pieces = graph.in_pieces(ids.size(1));
  ops::KeyValueCache cache;
  double largest = 0.0;
  for (std::int64_t end = first; end <= ids.size(1); ++end) {
    const auto read = [&] {
      const at::Tensor piece = ids.slice(1, cache.tokens(), end);
      const ops::KeyValueCache::Pass pass(cache, piece.size(1));
      return logits_of(pieces, piece)[-1];
    };
    at::Tensor logits = read();
    if (cache.expired()) {
      cache.forget();
      logits = read();
    }
    const at::Tensor whole = logits_of(graph, ids.slice(1, 0, end))[-1];
    largest = std::max(largest, (logits - whole).abs().max().item<double>());
  }
  return largest;
}

}  // namespace salf::testing
