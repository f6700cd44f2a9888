#include "policy/batch_size.h"

#include <algorithm>
#include <cmath>

#include "core/text.h"

namespace salf::policy {
namespace {

constexpr std::int64_t kMostTokens = 16384;
constexpr double kLeastGain = 0.1;    // share of a token's time, for twice the tokens
constexpr double kMemoryShare = 0.9;  // of the memory; predictions are a few percent off
constexpr double kStepsOfEpoch = 32.0;
constexpr double kStepsByClock = 100.0;  // timing three batches is little beside them

class BatchSearch {
 public:
  BatchSearch(const BatchSizeTerms& terms, const BatchSizeMeasures& measures)
      : terms_(terms), measures_(measures), tokens_(std::max(terms.usual, terms.smallest)) {}

  BatchSize find() {
    if (!shrink()) return {tokens_, reason_};
    while (grow()) {
    }
    return {tokens_, reason_};
  }

 private:
  bool fits(std::int64_t tokens) const {
    return measures_.bytes(tokens) <= kMemoryShare * terms_.memory_bytes;
  }

  std::string does_not_fit(std::int64_t tokens) const {
    const auto text = [](double bytes) {
      return core::format_bytes(static_cast<std::uint64_t>(std::max(0.0, bytes)));
    };
    return "batches of " + std::to_string(tokens) + " would need about " +
           text(measures_.bytes(tokens)) + " of the " + text(terms_.memory_bytes) +
           " that the run may hold on this GPU";
  }

  // Whether the usual size fits and was timed, so that larger ones are worth a try.
  bool shrink() {
    const std::int64_t begin = tokens_;
    while (true) {
      if (!fits(tokens_)) {
        reason_ = does_not_fit(tokens_);
      } else if ((seconds_ = measures_.seconds(tokens_))) {
        return tokens_ == begin;
      } else {
        reason_ = refused(tokens_);
      }
      if (tokens_ == terms_.smallest) return false;
      tokens_ = std::max(terms_.smallest, tokens_ / 2);
    }
  }

  static std::string refused(std::int64_t tokens) {
    return "the GPU had no memory to time a batch of " + std::to_string(tokens);
  }

  bool keeps_steps(std::int64_t tokens) const {
    const double step = static_cast<double>(tokens * terms_.accumulate);
    const auto least = static_cast<double>(terms_.min_steps);
    return terms_.epoch_tokens >= kStepsOfEpoch * step &&
           (!terms_.tokens || *terms_.tokens >= std::max(least, kStepsOfEpoch) * step) &&
           (!terms_.seconds ||
               *terms_.seconds >= std::max(least, kStepsByClock) * step * *seconds_);
  }

  // Whether twice the tokens are better. If not, says why.
  bool grow() {
    const std::int64_t next = 2 * tokens_;
    const std::string twice = "batches of " + std::to_string(next);
    if (next > kMostTokens) {
      reason_ = "larger ones are not tried";
    } else if (!fits(next)) {
      reason_ = does_not_fit(next);
    } else if (!keeps_steps(next)) {
      reason_ = twice + " would leave the run too few steps";
    } else if (const auto seconds = measures_.seconds(next); !seconds) {
      reason_ = refused(next);
    } else if (const double gain = 1.0 - *seconds / *seconds_; !(gain >= kLeastGain)) {
      reason_ = twice + " would take " +
                (gain > 0.0 ? "only " + core::format_number(100.0 * gain, 2) + " % off a token's "
                            : std::string("nothing off a token's ")) +
                "time";
    } else {
      tokens_ = next;
      seconds_ = seconds;
      return true;
    }
    return false;
  }

  const BatchSizeTerms& terms_;
  const BatchSizeMeasures& measures_;
  std::int64_t tokens_;
  std::optional<double> seconds_;  // of a token in batches of so many
  std::string reason_;
};

}  // namespace

BatchSize choose_batch_size(const BatchSizeTerms& terms, const BatchSizeMeasures& measures) {
  return BatchSearch(terms, measures).find();
}

}  // namespace salf::policy
