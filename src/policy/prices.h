// What one method, whole blocks or LoRA, costs at each cut, and how far a budget goes there.
#pragma once

#include <algorithm>

#include "policy/plan.h"

namespace salf::policy {

inline constexpr std::int64_t kFewestEvaluations = 2;  // before the first step and after the last

// What the prices of all methods share.
struct Terms {
  types::Budget budget;
  types::DataShape data;
  BatchSetting batches;
  Spent spent;
  std::int64_t min_steps = 1;
  double max_epochs = 1.0;

  double steps_per_epoch() const {
    return static_cast<double>(data.batches) / static_cast<double>(batches.accumulate);
  }
  // Of the largest number of epochs that is planned.
  std::int64_t most_steps() const;
  // Steps from which on a cut is worth having.
  std::int64_t required_steps() const {
    return budget.counted() ? 1 : std::min(min_steps, most_steps());
  }
  double tokens_per_step() const {
    return std::max(1.0, static_cast<double>(data.real_tokens) / steps_per_epoch());
  }
};

// FLOPs that a budget in FLOPs or a share stands for: the share is of a whole run of full
// fine-tuning for max_epochs with its two evaluations.
double budget_flops(const types::ModelShape& shape, const Terms& terms);

// Of a run's dev evaluations.
struct EvaluationPrice {
  double whole = 0.0;   // of all blocks
  double cached = 0.0;  // without those whose output is kept
  FirstEvaluation first = FirstEvaluation::kInTheRun;

  double of(std::int64_t count) const;
};

enum class PriceUnit { kSeconds, kFlops };

// A cut's price in one unit.
struct Price {
  types::CostBreakdown step;  // of the first epoch
  double fixed = 0.0;         // spent before, and saving
  EvaluationPrice evaluations;
  bool kept = false;  // the frozen part's output is: its steps after the first epoch have no prefix
  double steps_per_epoch = 1.0;

  double first_step() const { return step.total(); }
  double later_step() const { return step.total() - (kept ? step.prefix : 0.0); }
  // So many steps after `before` others.
  types::CostBreakdown steps(std::int64_t count, std::int64_t before = 0) const;
  // The whole run.
  types::CostBreakdown run(std::int64_t steps, std::int64_t evaluations) const;
};

class Prices {
 public:
  // LoRA where the shape has block_trained_parameters. REQUIRES: `terms` outlives it
  Prices(types::ModelShape shape, const types::MeasuredCost& cost, const Terms& terms);

  const types::ModelShape& shape() const { return shape_; }
  const types::MeasuredCost& cost() const { return cost_; }
  types::Method method() const { return shape_.method(); }
  types::Arm arm(std::int64_t cut) const;

  // What may be spent, in the budget's unit; 0 of a counted budget.
  double capacity() const { return capacity_; }
  Price price(std::int64_t cut, PriceUnit unit) const;
  Price price(std::int64_t cut) const { return price(cut, unit_); }  // in the budget's unit

  // Whether steps were timed: else seconds are 0.
  bool timed() const { return cost_.timed_batches > 0; }

  std::int64_t affordable_steps(
      std::int64_t cut, std::int64_t evaluations = kFewestEvaluations) const;
  bool affordable(std::int64_t cut) const {
    return affordable_steps(cut) >= terms_.required_steps();
  }
  // More evaluations than the two, where they are cheap and the steps stay enough.
  std::int64_t evaluations(std::int64_t cut) const;
  double memory_bytes(std::int64_t cut, std::int64_t steps) const;  // 0: unknown

  // Rounded up so that the text of the amount, which is what a person types, still works.
  types::Budget smallest(std::int64_t cut) const;

 private:
  bool sharded() const { return types::shards(terms_.batches.shard_optimizer, method()); }

  types::ModelShape shape_;
  types::MeasuredCost cost_;
  const Terms& terms_;
  PriceUnit unit_;
  double capacity_;
};

}  // namespace salf::policy
