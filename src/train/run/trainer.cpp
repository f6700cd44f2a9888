#include "train/run/trainer.h"

#include <algorithm>
#include <string>
#include <utility>

#include "core/error.h"
#include "core/heap.h"
#include "core/log.h"
#include "core/signals.h"
#include "core/text.h"
#include "cost/estimate.h"
#include "train/run/budget_limits.h"
#include "train/run/run.h"

namespace salf::train {

using types::RunStatus;

namespace {

// Nothing where no cache takes their place, or the disk has no room.
std::optional<MappedWeights> map_frozen(
    const TrainInputs& inputs, const Freeze& freeze, const PrefixCache* cache) {
  if (cache == nullptr) return std::nullopt;
  try {
    return MappedWeights(weights_below(freeze, inputs.graph, inputs.plan.cut), inputs.folder);
  } catch (const Error& error) {
    core::log_info(std::string("the frozen weights stay in memory: ") + error.what());
    return std::nullopt;
  }
}

}  // namespace

Run::Run(const TrainInputs& inputs, core::Progress& progress)
    : inputs_(inputs), progress_(progress),
      clock_(inputs.clock ? inputs.clock : core::process_seconds), caches_(inputs) {
  if (!inputs.plan.budget.deterministic() && !inputs.replay) pacer_.emplace(pacer_options(inputs));
  core::trim_heap();  // of what came before
  settle_schedule();
  inputs.resume ? resume() : start();
  frozen_ = map_frozen(inputs, stage_->freeze, caches_.train(inputs.plan.cuts().size() - 1));
}

types::RunRecord Run::execute() {
  begin_progress();
  RunStatus status = RunStatus::kRunning;
  while (status == RunStatus::kRunning) status = advance();
  if (status == RunStatus::kFinished || status == RunStatus::kBudgetReached) {
    if (last_evaluation_due() && !evaluate_dev()) status = RunStatus::kDiverged;
  }
  if (status != RunStatus::kDiverged && status != RunStatus::kInterrupted && !gates_hold_at_end())
    status = RunStatus::kGateFailed;
  progress_.end();
  return close(status);
}

RunStatus Run::advance() {
  release_frozen();
  if (evaluation_due()) {
    if (!evaluate_dev()) return RunStatus::kDiverged;
    if (gate_failed_) return RunStatus::kGateFailed;
    if (patience_is_out() && !stage_ends()) return RunStatus::kStoppedEarly;
  }
  if (checkpoint_due()) save_checkpoint();
  if (core::stop_signal() != 0) {
    save_checkpoint();
    return RunStatus::kInterrupted;
  }
  if (branch_due()) {
    branch(inputs_.branches[branches_done_++]);
    return RunStatus::kRunning;
  }
  if (stage_ends() && (inputs_.replay || !can_evaluate())) {
    end_stage();
    return RunStatus::kRunning;
  }
  if (at_end()) {
    return state_.step >= inputs_.plan.steps ? RunStatus::kFinished : RunStatus::kBudgetReached;
  }
  return train_step() ? RunStatus::kRunning : RunStatus::kDiverged;
}

bool Run::branch_due() const {
  if (branches_done_ == inputs_.branches.size()) return false;
  return state_.step >= schedule_for_steps(inputs_.branches[branches_done_]).cooldown_start;
}

void Run::branch(std::int64_t steps) {
  const double before = watch_.seconds();
  const Progression trunk = state_;
  const Schedule schedule = schedule_;
  const std::int64_t limit = limit_;
  const types::CostBreakdown seconds = seconds_;
  Snapshot weights(stage_->freeze.trained(), inputs_.folder);
  weights.take();
  std::vector<tensor::NamedTensor> moments = stage_->optimizer.state("adam/");
  for (auto& named : moments) named.tensor = named.tensor.clone();
  branching_ = true;
  schedule_ = {schedule.warmup_steps, trunk.step, steps - trunk.step};
  limit_ = steps;
  const RunStatus status = cool_down();
  if (status != RunStatus::kInterrupted) inputs_.branched(close(status));
  branching_ = false;
  weights.restore();
  stage_->optimizer.load_state(moments, "adam/", trunk.step);
  state_ = trunk;
  schedule_ = schedule;
  limit_ = limit;
  seconds_ = seconds;
  stream_.emplace(inputs_.train, inputs_.seed, state_.epoch, state_.batch);
  aside_ += watch_.seconds() - before;
}

RunStatus Run::cool_down() {
  while (state_.step < limit_) {
    if (core::stop_signal() != 0) return RunStatus::kInterrupted;
    if (!train_step()) return RunStatus::kDiverged;
  }
  if (can_evaluate() && !evaluate_dev()) return RunStatus::kDiverged;
  return core::stop_signal() != 0 ? RunStatus::kInterrupted : RunStatus::kFinished;
}

void Run::release_frozen() {
  if (!frozen_ || frozen_released_ || !caches_.complete()) return;
  frozen_->release();
  frozen_released_ = true;
}

void Run::settle_schedule() {
  const types::FreezePlan& plan = inputs_.plan;
  std::int64_t spread = plan.steps;  // what the evaluations are spread over
  if (plan.budget.deterministic()) {
    schedule_ = schedule_for_steps(affordable_steps(inputs_));
    limit_ = spread = schedule_.total();
    state_.cooldown_start = schedule_.cooldown_start;
  } else if (inputs_.replay) {
    settle_cooldown(inputs_.replay->cooldown_start);
  } else {
    schedule_ = {warmup_steps(plan.steps), kOpen, 1};
  }
  if (inputs_.replay) limit_ = inputs_.replay->steps;
  const std::int64_t gaps = std::max<std::int64_t>(1, plan.evaluations - 1);
  interval_ = std::max<std::int64_t>(1, (spread + gaps - 1) / gaps);
}

void Run::settle_cooldown(std::int64_t start) {
  schedule_ = schedule_for_cooldown(warmup_steps(inputs_.plan.steps), start);
  limit_ = schedule_.total();
  state_.cooldown_start = start;
}

bool Run::at_end() {
  if (state_.step >= limit_) return true;
  if (!pacer_) return false;
  const std::int64_t most = inputs_.plan.most_steps;
  const bool data_is_used_up = most > 0 && state_.step >= schedule_for_steps(most).cooldown_start;
  if (!state_.cooldown_start &&
      (data_is_used_up || pacer_->must_cool_down(state_.step, spent(), interval_))) {
    settle_cooldown(state_.step);
  }
  return !pacer_->step_fits(spent());
}

bool Run::train_step() {
  const double before = spent();
  const core::Stopwatch watch;
  StepMetrics line;
  line.epoch = stream_->epoch();
  line.learning_rate = stage_->learning_rate * rate_factor(schedule_, state_.step) * stage_warmup();
  std::vector<tensor::Batch> batches;
  double flops = 0.0;
  double avoided = 0.0;
  for (std::int64_t i = 0; i < inputs_.plan.accumulate; ++i) {
    const bool again = stream_->epoch() > 0 && stage_->cache != nullptr;
    batches.push_back(stream_->next());
    if (!inputs_.batch_flops) continue;
    flops += inputs_.batch_flops(batches.back(), stage_->cut, again);
    if (stage_->cache && stage_->cache->holds(batches.back())) {
      avoided += inputs_.batch_flops(batches.back(), stage_->cut, false) -
                 inputs_.batch_flops(batches.back(), stage_->cut, true);
    }
  }
  if (inputs_.blocks) stage_->freeze.train_only(inputs_.graph, inputs_.blocks(state_.step));
  const StepResult result = stage_->runner.run(batches, line.learning_rate, seconds_);
  if (!result.finite) {
    core::log_error("step " + std::to_string(state_.step + 1) + ": loss " +
                    core::format_number(result.loss) + ", gradient norm " +
                    core::format_number(result.gradient_norm) + ": " + kGoingBack);
    return false;
  }
  count(result);
  state_.flops += flops;
  state_.flops_avoided += avoided;
  line.seconds = watch.seconds();
  line.loss = result.loss;
  write_line(line);
  watch_memory(result.anonymous_bytes);
  // Later epochs show what a step costs once the frozen part is paid for.
  if (!stage_->cache || line.epoch > 0) fullest_.add(result, line.seconds);
  report(result);
  if (pacer_) pacer_->step_took(spent() - before);
  return true;
}

void Run::count(const StepResult& result) {
  ++state_.step;
  state_.epoch = stream_->epoch();
  state_.batch = stream_->batch();
  state_.tokens += result.tokens;
  state_.supervised_tokens += result.supervised_tokens;
}

void Run::write_line(StepMetrics& line) {
  if (branching_) return;
  line.step = state_.step;
  line.tokens = state_.tokens;
  line.supervised_tokens = state_.supervised_tokens;
  line.budget_spent = budget_share(inputs_, state_, spent(), schedule_.total());
  metrics_->write(line);
  for (RunObserver* observer : inputs_.observers) observer->step(line);
}

types::CostBreakdown Run::measured() const {
  types::CostBreakdown here = seconds_;
  here.fixed = std::max(0.0, watch_.seconds() - aside_ - seconds_.total());
  return cost::sum(carried_.measured_seconds, here);
}

void Run::watch_memory(std::int64_t anonymous) {
  state_.peak_anonymous_bytes = std::max(state_.peak_anonymous_bytes, anonymous);
}

void Run::begin_progress() {
  if (pacer_) {
    progress_.begin("training", static_cast<std::int64_t>(inputs_.plan.clock_seconds()), "seconds");
  } else {
    progress_.begin("training", limit_, "steps");
  }
}

void Run::report(const StepResult& result) {
  const std::string loss = "loss " + core::format_number(result.loss);
  if (pacer_) {
    progress_.update(
        static_cast<std::int64_t>(spent()), "step " + std::to_string(state_.step) + ", " + loss);
  } else {
    progress_.update(state_.step, loss);
  }
}

Replay replay_of(const types::RunRecord& record) {
  if (record.status == RunStatus::kRunning || record.status == RunStatus::kInterrupted ||
      record.status == RunStatus::kDiverged) {
    throw Error(ErrorKind::kBadInput,
        "the run to replay did not come to its end (status " + core::enum_to_string(record.status) +
            "); replay one that finished, or resume an interrupted one first");
  }
  Replay replay;
  replay.steps = record.steps;
  // A run that ended before its cooldown was settled had none.
  replay.cooldown_start = record.cooldown_start_step.value_or(kOpen);
  for (const auto& evaluation : record.evaluations) replay.evaluated.push_back(evaluation.step);
  replay.stages = record.stages;
  return replay;
}

types::RunRecord train(const TrainInputs& inputs, core::Progress& progress) {
  return Run(inputs, progress).execute();
}

}  // namespace salf::train
