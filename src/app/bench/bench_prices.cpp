#include "app/bench/bench_prices.h"

#include <algorithm>

#include "app/evidence/analysis.h"
#include "app/evidence/arm_runs.h"
#include "app/planning/planning.h"
#include "core/statistics.h"
#include "core/text.h"
#include "cost/estimate.h"

namespace salf::app {
namespace {

constexpr int kTimings = 3;  // rounds of timing, whose medians are the prices

MethodTiming time_round(
    const Session& session, const BenchOptions& options, double seconds, core::Progress& progress) {
  train::TimingOptions timing;
  timing.seconds = seconds;
  timing.gradients = true;
  const LoraStart lora = arm_lora(options.lora, session);
  return time_methods(session, timing, &lora.branches, progress);
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

void set_shapes(const Session& session, const BenchOptions& options, BenchPrices& prices) {
  prices.shape = prices.lora_shape = session.shape();
  prices.lora_shape.block_trained_parameters =
      trained_of_blocks(prices.shape, arm_lora(options.lora, session));
}

}  // namespace

StepPrice BenchPrices::step(const BenchArm& arm, const BenchRow& row, std::int64_t redraw) const {
  const bool lora = arm.kind == ArmKind::kLora;
  return step_price(arm, row.cut, static_cast<std::uint64_t>(row.seed), redraw,
      lora ? lora_cost : cost, lora ? lora_shape : shape, data);
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

std::optional<BenchPrices> measure_prices(
    const Session& session, const BenchOptions& options, core::Progress& progress) {
  std::optional<types::LayerProfile> profile =
      analyze(session, {options.calibration, std::nullopt}, progress);
  if (!profile) return std::nullopt;
  BenchPrices prices;
  prices.profile = std::move(*profile);
  set_shapes(session, options, prices);
  prices.data = training_shape(session);
  if (prices.data.batches == 0)
    throw Error(ErrorKind::kBadInput, "the train split has no documents");
  std::vector<types::MeasuredCost> rounds, lora_rounds;
  for (int round = 0; round < kTimings; ++round) {
    const MethodTiming timed =
        time_round(session, options, train::TimingOptions{}.seconds, progress);
    rounds.push_back(timed.blocks.cost);
    lora_rounds.push_back(timed.lora->cost);
    prices.gradient_agreement = timed.blocks.gradient_agreement;
  }
  prices.cost = median_cost(rounds);
  prices.lora_cost = median_cost(lora_rounds);
  return prices;
}

BenchPrices recorded_prices(const Session& session, const BenchOptions& options,
    const BenchRecord& record, types::LayerProfile profile) {
  BenchPrices prices{std::move(profile), record.cost, record.lora_cost, record.data,
      record.gradient_agreement, {}, {}};
  set_shapes(session, options, prices);
  return prices;
}

double planning_seconds(const Session& session, const BenchOptions& options,
    const BenchPrices& prices, double budget, core::Progress& progress) {
  const double allowed = std::min(train::TimingOptions{}.seconds, timing_share(true) * budget);
  const MethodTiming timed = time_round(session, options, allowed, progress);
  return std::min(prices.profile.seconds, kProfileShare * budget) + timed.blocks.seconds +
         timed.lora->seconds;
}

BenchArm planned_arm(const Session& session, const BenchOptions& options, const BenchPrices& prices,
    double minutes, double spent, core::Progress& progress) {
  PlanningRequest request;
  request.options.prior = options.prior;
  request.options.max_epochs = 1e6;
  request.budget = {60.0 * minutes, types::BudgetUnit::kSeconds};
  request.batches = {options.batch.tokens(), options.batch.pack};
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
