#include "app/bench/bench_prices.h"

#include <algorithm>

#include "app/evidence/analysis.h"
#include "app/evidence/arm_runs.h"
#include "app/planning/planning.h"
#include "core/statistics.h"
#include "core/text.h"
#include "cost/estimate.h"
#include "distributed/machines.h"

namespace salf::app {
namespace {

constexpr int kTimings = 3;  // rounds of timing, whose medians are the prices

MethodTiming time_round(const Session& session, const BenchOptions& options, double seconds,
    core::Progress& progress, distributed::Group* ranks) {
  train::TimingOptions timing;
  timing.seconds = seconds;
  timing.gradients = true;
  const LoraStart lora = arm_lora(options.lora, session);
  return time_methods(session, timing, &lora.branches, progress, ranks);
}

// Field by field.
types::MeasuredCost median_cost(const std::vector<types::MeasuredCost>& rounds) {
  core::Json merged = core::to_json(rounds.front());
  for (auto& [key, value] : merged.items()) {
    if (!value.is_number_float()) continue;
    std::vector<double> values;
    for (const auto& round : rounds) values.push_back(core::to_json(round)[key].get<double>());
    value = core::median(values);
  }
  types::MeasuredCost cost;
  core::from_json(merged, "cost", cost);
  return cost;
}

void set_shapes(const Session& session, const BenchOptions& options,
    const distributed::Group* ranks, BenchPrices& prices) {
  if (ranks != nullptr) prices.ranks = ranks->size();
  prices.shard_optimizer = options.train.shard_optimizer;
  prices.shape = prices.lora_shape = session.shape();
  prices.lora_shape.block_trained_parameters =
      trained_of_blocks(prices.shape, arm_lora(options.lora, session));
}

}  // namespace

StepPrice BenchPrices::step(const BenchArm& arm, const BenchRow& row, std::int64_t redraw) const {
  const bool lora = arm.kind == ArmKind::kLora;
  types::MeasuredCost paid = lora ? lora_cost : cost;
  if (types::shards(shard_optimizer, lora ? types::Method::kLora : types::Method::kBlocks))
    paid.optimizer /= static_cast<double>(ranks);
  return step_price(arm, row.cut, static_cast<std::uint64_t>(row.seed), redraw,
      {paid, lora ? lora_shape : shape, data, ranks});
}

std::int64_t BenchPrices::steps_within(
    const BenchArm& arm, const BenchRow& row, std::int64_t redraw, double seconds) const {
  const StepPrice price = step(arm, row, redraw);
  const std::int64_t steps =
      cost::steps_within(seconds, price.first, price.later, steps_per_epoch());
  if (steps >= 2) return steps;
  throw Error(ErrorKind::kBudget, row_key(row) + ": " + core::format_seconds(seconds) +
                                      " on the virtual clock pay for " + std::to_string(steps) +
                                      " steps; give more --minutes");
}

double BenchPrices::seconds(const BenchArm& arm, const BenchRow& row, std::int64_t redraw) const {
  const StepPrice price = step(arm, row, redraw);
  const auto steps = static_cast<double>(row.steps);
  const double first = std::min(steps, steps_per_epoch());
  return first * price.first + (steps - first) * price.later;
}

std::optional<BenchPrices> measure_prices(const Session& session, const BenchOptions& options,
    core::Progress& progress, distributed::Group* ranks) {
  std::optional<types::LayerProfile> profile =
      analyze(session, {options.calibration, std::nullopt, ranks}, progress);
  if (!profile) return std::nullopt;
  BenchPrices prices;
  prices.profile = std::move(*profile);
  set_shapes(session, options, ranks, prices);
  prices.data = training_shape(session);
  if (prices.data.batches == 0)
    throw Error(ErrorKind::kBadInput, "the train split has no documents");
  std::vector<types::MeasuredCost> rounds, lora_rounds;
  for (int round = 0; round < kTimings; ++round) {
    const MethodTiming timed =
        time_round(session, options, train::TimingOptions{}.seconds, progress, ranks);
    rounds.push_back(timed.blocks.cost);
    lora_rounds.push_back(timed.lora->cost);
    prices.gradient_agreement = timed.blocks.gradient_agreement;
  }
  prices.cost = median_cost(rounds);
  prices.lora_cost = median_cost(lora_rounds);
  return prices;
}

BenchPrices recorded_prices(const Session& session, const BenchOptions& options,
    const BenchRecord& record, types::LayerProfile profile, const distributed::Group* ranks) {
  BenchPrices prices{std::move(profile), record.cost, record.lora_cost, record.data,
      record.gradient_agreement, {}, {}};
  set_shapes(session, options, ranks, prices);
  return prices;
}

double planning_seconds(const Session& session, const BenchOptions& options,
    const BenchPrices& prices, double budget, core::Progress& progress, distributed::Group* ranks) {
  const double allowed = std::min(train::TimingOptions{}.seconds, timing_share(true) * budget);
  const MethodTiming timed = time_round(session, options, allowed, progress, ranks);
  return std::min(prices.profile.seconds, kProfileShare * budget) +
         distributed::greatest(ranks, timed.blocks.seconds + timed.lora->seconds);
}

BenchArm planned_arm(const Session& session, const BenchOptions& options, const BenchPrices& prices,
    double minutes, double spent, core::Progress& progress, distributed::Group* ranks) {
  PlanningRequest request;
  request.options.prior = options.prior;
  request.options.max_epochs = 1e6;
  request.budget = {60.0 * minutes, types::BudgetUnit::kSeconds};
  request.batches = {options.batch.tokens(), options.batch.pack};
  request.batches.shard_optimizer = options.train.shard_optimizer;
  share_among(ranks, request);
  request.dev_loss = DevLoss::kNone;
  request.spent_seconds = [spent] { return spent; };
  Planning planning(session, request, nullptr, progress);
  policy::Evidence evidence = planning.evidence();
  evidence.profile = prices.profile;
  evidence.cost = prices.cost;
  evidence.lora = policy::LoraTiming{types::parse_lora(options.lora),
      prices.lora_shape.block_trained_parameters, prices.lora_cost};
  evidence.basis.gradient_agreement = prices.gradient_agreement;
  planning.take(evidence);
  const types::FreezePlan plan = *planning.plan();
  check_affordable(plan);
  return arm_of(*plan.chosen());
}

}  // namespace salf::app
