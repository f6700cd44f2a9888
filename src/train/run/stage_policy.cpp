#include "train/run/stage_policy.h"

#include "core/log.h"
#include "cost/estimate.h"

namespace salf::train {
namespace {

// Seconds of a step at the cut `next` over those at `cut`, by the plan's costs.
double slowdown(const types::FreezePlan& plan, std::int64_t cut, std::int64_t next, bool cached) {
  const auto seconds = [&](std::int64_t at) {
    const types::CostBreakdown step =
        cost::step_seconds(plan.cost, plan.shape, plan.data, at, plan.accumulate);
    return step.total() - (cached && at > 0 ? step.prefix : 0.0);
  };
  const double here = seconds(cut);
  return here > 0.0 ? seconds(next) / here : 1.0;
}

}  // namespace

StagePolicy::StagePolicy(const TrainInputs& inputs, std::vector<types::StageRecord> records)
    : inputs_(inputs), plan_(inputs.run.what.plan), records_(std::move(records)) {}

void StagePolicy::begin(
    std::int64_t cut, double learning_rate, const RunState& state, double spent) {
  if (plan_.stages.empty()) return;
  types::StageRecord stage;
  stage.cut = cut;
  stage.learning_rate = learning_rate;
  stage.first_step = state.step;
  stage.began_seconds = spent;
  records_.push_back(std::move(stage));
}

bool StagePolicy::ends(const RunState& state, const Pacing& pacing) const {
  if (records_.empty() || records_.back().decision.choice == types::StageChoice::kStay)
    return false;
  const std::size_t next = place() + 1;
  if (next == plan_.stages.size()) return false;
  if (inputs_.replay)
    return next < inputs_.replay->stages.size() &&
           state.step == inputs_.replay->stages[next].first_step;
  if (state.step == records_.back().first_step) return false;
  if (state.out_of_patience(inputs_.run.how.options.patience)) return true;
  const double end = types::stage_end(place(), plan_.stages.size());
  if (pacing.pacer() == nullptr)
    return static_cast<double>(state.step) >= std::floor(end * static_cast<double>(pacing.limit()));
  const double began = records_.front().began_seconds;
  return !pacing.cooldown_start() &&
         pacing.spent() - began >= end * (pacing.pacer()->deadline() - began);
}

bool StagePolicy::moves_on(const RunState& state, Pacing& pacing, bool cached) {
  close(state, pacing.spent());
  types::StageRecord& stage = records_.back();
  const double slower = slowdown(plan_, stage.cut, plan_.stages[place() + 1], cached);
  if (!inputs_.replay) stage.decision = inputs_.stages->decide(stage_end(state, pacing, slower));
  core::log_info("stage " + std::to_string(place() + 1) + ": " + stage.decision.reason);
  if (stage.decision.choice != types::StageChoice::kNext) return false;
  if (Pacer* const pacer = pacing.pacer()) pacer->expect_step(slower * pacer->step_seconds());
  return true;
}

types::StageEnd StagePolicy::stage_end(
    const RunState& state, const Pacing& pacing, double slower) const {
  types::StageEnd end;
  end.stages = records_;
  end.next_cut = plan_.stages[place() + 1];
  end.step_tokens = static_cast<double>(state.tokens) /
                    static_cast<double>(std::max<std::int64_t>(1, state.step));
  end.unique_tokens = static_cast<double>(inputs_.run.what.train.real_tokens());
  end.steps_staying = end.steps_next = static_cast<double>(pacing.limit() - state.step);
  const Pacer* const pacer = pacing.pacer();
  if (pacer == nullptr) return end;
  const double left =
      std::max(0.0, pacer->deadline() - pacing.spent() - pacer->evaluation_seconds());
  const double most =
      plan_.most_steps > 0 ? static_cast<double>(plan_.most_steps - state.step) : 1e15;
  end.steps_staying = std::min(most, left / pacer->step_seconds());
  end.steps_next = std::min(most, left / (slower * pacer->step_seconds()));
  return end;
}

void StagePolicy::close(const RunState& state, double spent) {
  if (records_.empty()) return;
  types::StageRecord& stage = records_.back();
  stage.steps = state.step - stage.first_step;
  stage.seconds = spent - stage.began_seconds;
  if (!state.evaluations.empty() && state.evaluations.back().step > stage.first_step)
    stage.evaluation = state.evaluations.back();
  if (inputs_.replay) stage.decision = inputs_.replay->stages.at(place()).decision;
}

double StagePolicy::warmup(std::int64_t step, const Schedule& schedule) const {
  if (place() == 0) return 1.0;
  const std::int64_t done = step - records_.back().first_step;
  return std::min(
      1.0, static_cast<double>(done + 1) / static_cast<double>(schedule.warmup_steps + 1));
}

}  // namespace salf::train
