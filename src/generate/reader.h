// A model that reads a text and says what may come next.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <string>
#include <vector>

#include "model/graph/graph_cut.h"
#include "ops/key_value_cache.h"

namespace salf::generate {

enum class Reading { kInPieces, kWhole };

// Reads each token once where the model can be read in pieces, and the whole text for each token
// otherwise. Both give the same logits.
class Reader {
 public:
  // `longest`: tokens of a text at most. The model of the cut must outlive this.
  Reader(const model::GraphCut& graph, std::int64_t longest, Reading how = Reading::kInPieces);

  bool in_pieces() const { return pieces_.has_value(); }
  // Why it is not, where it was to be; else "".
  const std::string& reason() const { return reason_; }
  std::int64_t longest() const { return longest_; }
  std::int64_t tokens() const { return static_cast<std::int64_t>(text_.size()); }

  // Goes on with these tokens, at least one. The logits [V] of the token behind them, f32 on the
  // CPU. Throws Error(kUsage) where the text would be longer than `longest`.
  at::Tensor read(const std::vector<std::int64_t>& ids);
  // Begins another text.
  void restart();

 private:
  at::Tensor last_logits(const model::GraphCut& graph, std::int64_t from) const;

  model::GraphCut whole_;
  std::optional<model::GraphCut> pieces_;
  std::string reason_;
  std::int64_t longest_;
  std::vector<std::int64_t> text_;
  ops::KeyValueCache cache_;
};

}  // namespace salf::generate
