#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "core/log.h"
#include "train/run/run.h"

namespace salf::train {

bool Run::stage_ends() const {
  if (state_.stages.empty() || state_.stages.back().decision.choice == types::StageChoice::kStay)
    return false;
  const std::size_t next = stage_->index + 1;
  if (next == inputs_.plan.stages.size()) return false;
  if (inputs_.replay)
    return next < inputs_.replay->stages.size() &&
           state_.step == inputs_.replay->stages[next].first_step;
  if (state_.step == state_.stages.back().first_step) return false;
  if (patience_is_out()) return true;
  const double end = types::stage_end(stage_->index, inputs_.plan.stages.size());
  if (!pacer_)
    return static_cast<double>(state_.step) >= std::floor(end * static_cast<double>(limit_));
  const double began = state_.stages.front().began_seconds;
  return !state_.cooldown_start && spent() - began >= end * (pacer_->deadline() - began);
}

void Run::end_stage() {
  close_stage();
  const std::int64_t next = inputs_.plan.stages[stage_->index + 1];
  const double ratio = slower(inputs_.plan, *stage_, next);
  types::StageRecord& stage = state_.stages.back();
  if (!inputs_.replay) stage.decision = inputs_.next_stage(stage_end(next, ratio));
  core::log_info("stage " + std::to_string(stage_->index + 1) + ": " + stage.decision.reason);
  if (stage.decision.choice != types::StageChoice::kNext) return;
  if (pacer_) pacer_->expect_step(ratio * pacer_->step_seconds());
  stage_ = next_stage(std::move(stage_), inputs_, caches_);
  state_.worse_evaluations = 0;
  fullest_ = {};
  begin_stage();
}

types::StageEnd Run::stage_end(std::int64_t next, double ratio) const {
  types::StageEnd end;
  end.stages = state_.stages;
  end.next_cut = next;
  end.step_tokens = static_cast<double>(state_.tokens) /
                    static_cast<double>(std::max<std::int64_t>(1, state_.step));
  end.unique_tokens = static_cast<double>(inputs_.train.real_tokens());
  end.steps_staying = end.steps_next = static_cast<double>(limit_ - state_.step);
  if (!pacer_) return end;
  const double left = std::max(0.0, pacer_->deadline() - spent() - pacer_->evaluation_seconds());
  const double most = inputs_.plan.most_steps > 0
                          ? static_cast<double>(inputs_.plan.most_steps - state_.step)
                          : 1e15;
  end.steps_staying = std::min(most, left / pacer_->step_seconds());
  end.steps_next = std::min(most, left / (ratio * pacer_->step_seconds()));
  return end;
}

void Run::begin_stage() {
  if (inputs_.plan.stages.empty()) return;
  types::StageRecord stage;
  stage.cut = stage_->cut;
  stage.learning_rate = stage_->learning_rate;
  stage.first_step = state_.step;
  stage.began_seconds = spent();
  state_.stages.push_back(std::move(stage));
}

void Run::close_stage() {
  if (state_.stages.empty()) return;
  types::StageRecord& stage = state_.stages.back();
  stage.steps = state_.step - stage.first_step;
  stage.seconds = spent() - stage.began_seconds;
  if (!state_.evaluations.empty() && state_.evaluations.back().step > stage.first_step)
    stage.evaluation = state_.evaluations.back();
  if (inputs_.replay) stage.decision = inputs_.replay->stages.at(stage_->index).decision;
}

double Run::stage_warmup() const {
  if (stage_->index == 0) return 1.0;
  const std::int64_t done = state_.step - state_.stages.back().first_step;
  return std::min(
      1.0, static_cast<double>(done + 1) / static_cast<double>(schedule_.warmup_steps + 1));
}

}  // namespace salf::train
