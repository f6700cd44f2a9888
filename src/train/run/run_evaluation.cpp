#include <algorithm>
#include <cmath>
#include <string>

#include "core/log.h"
#include "core/signals.h"
#include "train/evaluate.h"
#include "train/run/run.h"
#include "train/step/resources.h"

namespace salf::train {

bool Run::evaluated_now() const {
  return !state_.evaluations.empty() && state_.evaluations.back().step == state_.step;
}

bool Run::can_evaluate() const {
  return inputs_.dev.rows() > 0 && inputs_.plan.evaluations > 0 && !evaluated_now() &&
         (!pacer_ || pacer_->evaluation_fits(spent()));
}

bool Run::evaluation_due() const {
  if (!can_evaluate()) return false;
  if (inputs_.replay) {
    const auto& steps = inputs_.replay->evaluated;
    return std::find(steps.begin(), steps.end(), state_.step) != steps.end();
  }
  if (state_.step == limit_ || stage_ends() ||
      (state_.step == 0 && needs_loss_before(inputs_.gates)))
    return true;
  return inputs_.plan.evaluations > 1 && state_.step % interval_ == 0;
}

std::optional<MeasuredLosses> Run::measure_dev() {
  if (state_.step == 0 && inputs_.before) {
    if (pacer_) pacer_->evaluation_took(inputs_.before->evaluation.seconds);
    return inputs_.before;
  }
  progress_.end();
  const double before = spent();
  MeasuredLosses losses;
  EvaluateOptions options;
  options.autocast = inputs_.autocast;
  options.cache = stage_->dev_cache;
  options.cut = stage_->cut;
  options.documents = &losses.documents;
  options.keep_going = [this] {
    return core::stop_signal() == 0 && (!pacer_ || spent() < pacer_->deadline());
  };
  const std::optional<Evaluation> result = evaluate(inputs_.graph, inputs_.dev, options, progress_);
  if (pacer_) pacer_->evaluation_took(spent() - before);
  watch_memory(memory_use().anonymous);
  begin_progress();
  if (!result) return std::nullopt;
  seconds_.evaluation += result->seconds;
  losses.evaluation = *result;
  return losses;
}

bool Run::evaluate_dev() {
  const std::optional<MeasuredLosses> losses = measure_dev();
  if (!losses) return true;  // interrupted, or out of time: no result, and the loop sees why
  const Evaluation& result = losses->evaluation;
  const types::DevEvaluation evaluation{
      state_.step, result.loss.value, result.standard_error, result.seconds};
  if (!branching_) {
    metrics_->write(evaluation);
    for (RunObserver* observer : inputs_.observers)
      observer->evaluation(evaluation, losses->documents);
  }
  if (!std::isfinite(evaluation.loss)) {
    core::log_error(
        "the dev loss after step " + std::to_string(state_.step) + " is not finite: " + kGoingBack);
    return false;
  }
  state_.evaluations.push_back(evaluation);
  if (evaluation.step > 0 &&
      !gates_hold(figures_of(evaluation, result.accuracy.value), /*at_end=*/false)) {
    gate_failed_ = true;
    return true;
  }
  keep_if_best(evaluation, result.accuracy.value);
  return true;
}

RunFigures Run::figures_of(const std::optional<types::DevEvaluation>& evaluation,
    const std::optional<double>& accuracy) const {
  RunFigures figures;
  figures.step = state_.step;
  if (evaluation) {
    figures.step = evaluation->step;
    figures.loss = evaluation->loss;
    figures.accuracy = accuracy;
  }
  const auto& evaluations = state_.evaluations;
  if (!evaluations.empty() && evaluations.front().step == 0)
    figures.loss_before = evaluations.front().loss;
  figures.seconds = spent();
  figures.peak_memory = static_cast<double>(state_.peak_anonymous_bytes);
  return figures;
}

bool Run::gates_hold(const RunFigures& figures, bool at_end) {
  const std::vector<std::string> failures = check_gates(state_.gates, figures, at_end);
  for (const std::string& failure : failures) core::log_error(failure + ": " + kGoingBack);
  return failures.empty();
}

void Run::keep_if_best(const types::DevEvaluation& evaluation, double accuracy) {
  if (state_.best && state_.best->loss <= evaluation.loss) {
    ++state_.worse_evaluations;
    return;
  }
  state_.best = evaluation;
  state_.best_accuracy = accuracy;
  state_.worse_evaluations = 0;
  if (!branching_) stage_->best.take();
}

bool Run::patience_is_out() const {
  return inputs_.options.patience > 0 && state_.worse_evaluations >= inputs_.options.patience;
}

}  // namespace salf::train
