// Chooses how many tokens a batch has on a GPU, where nobody gave a number.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

namespace salf::policy {

// What the batches of a run have to keep to.
struct BatchSizeTerms {
  std::int64_t usual = 1024;      // where the search begins
  std::int64_t smallest = 1;      // tokens of the longest row
  double memory_bytes = 0.0;      // that the run may hold
  std::int64_t accumulate = 1;    // batches of an optimizer step
  std::int64_t min_steps = 20;    // of the run
  double epoch_tokens = 0.0;      // of all train rows
  std::optional<double> tokens;   // of the run, where its budget counts them
  std::optional<double> seconds;  // of the run, of a budget by the clock
};

// What is known of a batch with so many tokens.
struct BatchSizeMeasures {
  std::function<double(std::int64_t)> bytes;  // that a run holds, predicted
  // Seconds of each token in a step; nothing where memory was refused.
  std::function<std::optional<double>(std::int64_t)> seconds;
};

struct BatchSize {
  std::int64_t tokens = 0;
  std::string reason;  // why not more, one sentence
};

// From the usual size on, doubles as long as that takes at least a tenth off a token's time, memory
// has room for it (a tenth of it stays free) and the run keeps enough steps: 32 an epoch, min_steps
// in all, 100 in a budget by the clock. 16,384 tokens are the most. Where the usual size does not
// fit, it is halved, down to the smallest.
BatchSize choose_batch_size(const BatchSizeTerms& terms, const BatchSizeMeasures& measures);

}  // namespace salf::policy
