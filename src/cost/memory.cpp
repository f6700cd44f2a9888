#include "cost/memory.h"

#include <algorithm>
#include <numeric>

namespace salf::cost {
namespace {

constexpr double kBytes = 4.0;    // of a float32
constexpr double kMoments = 2.0;  // a trained parameter
// The gaps that batches of varying length leave in a heap (train/resources.h): a share of what
// lives in it, and the activations of so many blocks. Within -8 to +13 % of what 26 runs held
// (docs/results: savings.json, promises.json); a share of 0.2 alone was 15 % below runs above a
// deep cut.
constexpr double kGaps = 0.08;
constexpr double kGapBlocks = 7.0;

}  // namespace

double peak_bytes(const types::MeasuredCost& cost, const types::ModelShape& shape, std::int64_t cut,
    const MemoryOptions& options) {
  if (!(cost.base_bytes > 0.0)) return 0.0;
  const auto parameters = static_cast<double>(shape.parameters);
  const auto trained = static_cast<double>(shape.trained_parameters(cut));
  const auto head = static_cast<double>(shape.hidden) * static_cast<double>(shape.vocabulary);
  const bool in_file = options.frozen_in_file && cut > 0;
  const auto above = static_cast<double>(
      std::accumulate(shape.block_parameters.begin() + static_cast<std::ptrdiff_t>(cut),
          shape.block_parameters.end(), shape.final_parameters));
  // Branches of LoRA stand beside the weights.
  const double branches = shape.block_trained_parameters.empty() ? 0.0 : trained;
  const double weights = branches + (in_file ? std::min(parameters, above + head) : parameters);
  const auto tokens = static_cast<double>(options.batch_tokens);
  const auto blocks = static_cast<double>(shape.blocks - cut);
  const double block = cost.activation_bytes * tokens;
  const double kept = tokens * static_cast<double>(shape.hidden) * kBytes;
  const double activations = options.recompute ? block + blocks * kept : blocks * block;
  // While the backward pass makes gradients it lets go of activations.
  const double training = kBytes * (weights + kMoments * trained) +
                          std::max(activations, kBytes * trained) + cost.base_bytes;
  return (1.0 + kGaps) * std::max(training, kBytes * parameters + cost.base_bytes) +
         kGapBlocks * block;
}

}  // namespace salf::cost
