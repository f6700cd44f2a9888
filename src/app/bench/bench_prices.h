// The price list of a bench's virtual clock, and what the planner would do by it.
#pragma once

#include "app/bench/bench_options.h"
#include "app/bench/bench_record.h"
#include "app/evidence/arms.h"
#include "app/session/session.h"
#include "core/progress.h"
#include "distributed/group.h"
#include "types/layer_profile.h"
#include "types/shard_optimizer.h"

namespace salf::app {

struct BenchPrices {
  types::LayerProfile profile;
  types::MeasuredCost cost, lora_cost;  // of whole blocks, and with LoRA's branches
  types::DataShape data;
  std::optional<double> gradient_agreement;  // train::Timing
  types::ModelShape shape, lora_shape;       // lora_shape: with what the arms lora:N add
  std::int64_t ranks = 1;                    // a step has a batch of each
  types::ShardOptimizer shard_optimizer = types::ShardOptimizer::kAuto;

  double steps_per_epoch() const {
    return static_cast<double>(data.batches) / static_cast<double>(ranks);
  }
  // Of a row's arm, whose blocks lisa draws again every `redraw` steps.
  StepPrice step(const BenchArm& arm, const BenchRow& row, std::int64_t redraw) const;
  // Steps that so many seconds pay for. Throws Error(kBudget) for fewer than two.
  std::int64_t steps_within(
      const BenchArm& arm, const BenchRow& row, std::int64_t redraw, double seconds) const;
  // Of the row's steps.
  double seconds(const BenchArm& arm, const BenchRow& row, std::int64_t redraw) const;
};

// Analyzes and times. Nothing once core::stop_signal() is set. Throws as its parts do, and
// Error(kBadInput) where the train split has no documents. `ranks` everywhere here: that share the
// work and get the same; null: this process alone.
std::optional<BenchPrices> measure_prices(const Session& session, const BenchOptions& options,
    core::Progress& progress, distributed::Group* ranks);

// The prices of a bench that is gone on with, or that rank 0 has measured.
BenchPrices recorded_prices(const Session& session, const BenchOptions& options,
    const BenchRecord& record, types::LayerProfile profile, const distributed::Group* ranks);

// What train spends of a budget of so many seconds on the profile, as its share allows, and on
// timing, as that takes now.
double planning_seconds(const Session& session, const BenchOptions& options,
    const BenchPrices& prices, double budget, core::Progress& progress, distributed::Group* ranks);

// The arm that a plan chooses for a budget of so many minutes when `spent` seconds of it are gone.
// Throws Error(kBudget) where it is too small.
BenchArm planned_arm(const Session& session, const BenchOptions& options, const BenchPrices& prices,
    double minutes, double spent, core::Progress& progress, distributed::Group* ranks);

}  // namespace salf::app
