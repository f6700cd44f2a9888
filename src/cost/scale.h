// Predicted seconds, memory and traffic of a step that several ranks share.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/fields.h"
#include "types/freeze_plan.h"
#include "types/shard_optimizer.h"

namespace salf::cost {

struct ScaleOptions {
  std::int64_t ranks = 1;
  std::string link;
  types::ShardOptimizer shard_optimizer = types::ShardOptimizer::kAuto;

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    core::begin_group(visit, "Ranks that are not at hand");
    visit(Field{"ranks",
              "predict the steps of so many machines like this one, each with batches as large"}
              .range(1, 65536),
        self.ranks);
    visit(Field{"link", "what carries each one's gradients to the others: 25Gb/s, 400Mb/s"},
        self.link);
    visit(Field{"shard_optimizer",
              "each of them keeps the optimizer's state of its part of the weights: auto, on, or "
              "off; auto: where whole blocks are trained"},
        self.shard_optimizer);
  }

  // Contradictions among the options, one message each.
  std::vector<std::string> problems() const;
};

// Bytes a second of "25Gb/s": a number; k, M, G, T (powers of 1000) or nothing; b/s, bit/s or bps,
// or B/s for bytes. Throws Error(kUsage).
double parse_link(const std::string& text);

// What a step sums over ranks: the float32 gradients of what is trained.
double gradient_bytes(const types::ModelShape& shape, std::int64_t cut);

// A step of one rank, and what ranks have to send of it.
struct RankStep {
  double seconds = 0.0;
  double backward = 0.0;   // of them, the backward pass of the last batch
  double optimizer = 0.0;  // of them, the update
  double gradient_bytes = 0.0;
  double result_bytes = 0.0;  // of the sums or, of a sharded optimizer, of the new weights
  bool sharded = false;
};
// The weights are sent as their copies in bfloat16, where steps read those.
RankStep rank_step(const types::MeasuredCost& cost, const types::ModelShape& shape,
    const types::DataShape& data, std::int64_t cut, std::int64_t accumulate, bool sharded);

// What each rank sends, and receives, in a step: of the gradients a part to each other one, which
// sums it, and its own part of the results to all: (N−1)/N of both.
double sent_bytes(const RankStep& step, std::int64_t ranks);

// The same step of N ranks, each with batches of its own. Gradients and sums travel during the
// backward pass of a rank's last batch, as long as that lasts. The weights of a sharded optimizer
// follow its update, which takes 1/N of its time. `bytes_per_second`: of each rank's link, in each
// direction.
struct RankTimes {
  double seconds = 0.0;
  double exchange = 0.0;  // that the link needs
  double waited = 0.0;    // of them, what no backward pass hides
};
RankTimes shared_step(const RankStep& step, std::int64_t ranks, double bytes_per_second);

// The plan's step with one rank, and with options.ranks. Nothing of a plan without timing.
std::optional<types::Scale> forecast(const types::FreezePlan& plan, const ScaleOptions& options);

}  // namespace salf::cost
