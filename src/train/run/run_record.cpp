// What a run leaves behind: copies, checkpoints and its record.
#include <utility>

#include "core/signals.h"
#include "core/statistics.h"
#include "train/run/checkpoint.h"
#include "train/run/run.h"
#include "train/step/matrix_products.h"
#include "train/step/resources.h"

namespace salf::train {

using types::RunStatus;

RunSnapshot Run::present() const {
  RunSnapshot now{state_, weight_tensors(stage_->freeze.trained(), "weight/")};
  now.state.measured_seconds = measured();
  const auto add = [&](std::vector<tensor::NamedTensor> more) {
    for (auto& named : more) now.tensors.push_back(std::move(named));
  };
  if (!state_.best_is_present()) add(stage_->best.tensors("best/"));
  add(stage_->optimizer.state("adam/"));
  return now;
}

RunSnapshot Run::snapshot() const {
  RunSnapshot now = present();
  now.tensors = copies_of(now.tensors, inputs_.where.folder);
  return now;
}

void Run::restore(const RunSnapshot& snapshot) {
  load(snapshot);
  watch_ = core::Stopwatch();
  phases_ = {};
}

void Run::load(const RunSnapshot& snapshot) {
  state_ = snapshot.state;
  const auto& trained = stage_->freeze.trained();
  const bool best = load_weights(trained, snapshot.tensors, "best/");
  if (best) stage_->best.take();
  load_weights(trained, snapshot.tensors, "weight/");
  if (!best) stage_->best.take();
  stage_->optimizer.load_state(snapshot.tensors, "adam/", state_.step);
  stream_.emplace(inputs_.what.train, inputs_.how.seed, state_.epoch, state_.batch);
}

void Run::checkpoint(const RunCourse& course) const {
  write_checkpoint(inputs_.where.folder, {full_identity(inputs_), present(), course});
}

types::RunRecord Run::finish(RunStatus status) {
  const bool broken = status == RunStatus::kDiverged || status == RunStatus::kGateFailed;
  if (broken || (state_.best && !state_.best_is_present())) stage_->best.restore();
  const types::FreezePlan& plan = inputs_.what.plan;
  types::RunRecord record;
  record.options = core::to_json(inputs_.how.options);
  record.seed = inputs_.how.seed;
  record.plan = plan;
  record.status = status;
  record.exit_signal = status == RunStatus::kInterrupted ? core::stop_signal() : 0;
  record.steps = state_.step;
  record.epochs =
      static_cast<double>(state_.epoch) +
      static_cast<double>(state_.batch) / static_cast<double>(stream_->batches_of_epoch());
  record.tokens = state_.tokens;
  record.supervised_tokens = state_.supervised_tokens;
  record.learning_rate = plan.learning_rate;
  record.evaluations = state_.evaluations;
  record.best = state_.best;
  if (!state_.evaluations.empty() && state_.evaluations.front().step == 0)
    record.before = state_.evaluations.front();
  if (state_.evaluated()) record.after = state_.evaluations.back();
  record.predicted_seconds = plan.predicted_seconds;
  record.predicted_flops = plan.predicted_flops.total();
  record.measured_seconds = measured();
  record.flops = state_.flops;
  record.peak_resident_bytes = memory_use().peak_resident;
  record.peak_anonymous_bytes = state_.peak_anonymous_bytes;
  fill_frozen_part(record);
  fill_speed(record);
  return record;
}

void Run::fill_frozen_part(types::RunRecord& record) const {
  if (cut() > 0) record.activation_bytes_below_cut = 0;
  if (frozen_) record.frozen_bytes_mapped = frozen_->bytes();
  record.cache = caches_.use();
  if (record.cache) record.cache->flops_avoided = state_.flops_avoided;
}

void Run::fill_speed(types::RunRecord& record) const {
  const types::CostBreakdown& spent = record.measured_seconds;
  const double steps = spent.total() - spent.evaluation - spent.fixed;
  if (steps <= 0.0) return;
  record.tokens_per_second = static_cast<double>(record.tokens) / steps;
  record.flops_per_second = record.flops / steps;
  if (!inputs_.how.options.measure_products || fullest_.seconds.empty()) return;
  record.matrix_products = time_matrix_products(
      inputs_.what.graph, stage_->freeze, fullest_.tokens, fullest_.supervised_tokens);
  record.matrix_products->share_of_step =
      record.matrix_products->seconds / core::median(fullest_.seconds);
}

core::Json full_identity(const RunInputs& inputs) {
  core::Json identity = inputs.where.identity;
  const types::FreezePlan& plan = inputs.what.plan;
  identity["eof"] = plan.cut;
  identity["budget"] = core::to_json(plan.budget);
  if (plan.budget.seconds > 0.0) identity["budget_seconds"] = plan.budget.seconds;
  if (!plan.stages.empty()) identity["stages"] = plan.stages;
  identity["steps"] = plan.steps;
  identity["most_steps"] = plan.most_steps;
  identity["learning_rate"] = plan.learning_rate;
  identity["batch_tokens"] = plan.batch_tokens;
  identity["pack"] = plan.pack;
  identity["accumulate"] = plan.accumulate;
  identity["evaluations"] = plan.evaluations;
  identity["seed"] = inputs.how.seed;
  identity["autocast"] = c10::toString(inputs.how.autocast);
  const core::Json options = core::to_json(inputs.how.options);
  for (const auto& entry : options.items()) {
    // How often a run is saved does not change what it computes.
    if (entry.key().rfind("checkpoint_", 0) != 0) identity[entry.key()] = entry.value();
  }
  return identity;
}

}  // namespace salf::train
