#include "core/signals.h"
#include "core/statistics.h"
#include "train/run/run.h"
#include "train/step/matrix_products.h"
#include "train/step/resources.h"

namespace salf::train {

using types::RunStatus;

types::RunRecord Run::close(types::RunStatus status) {
  close_stage();
  const bool last_is_best = state_.best && state_.best->step == state_.step;
  const bool broken = status == RunStatus::kDiverged || status == RunStatus::kGateFailed;
  if (broken || (state_.best && !last_is_best)) stage_->best.restore();
  types::RunRecord record;
  record.options = core::to_json(inputs_.options);
  record.seed = inputs_.seed;
  record.plan = inputs_.plan;
  record.status = status;
  record.exit_signal = status == RunStatus::kInterrupted ? core::stop_signal() : 0;
  record.steps = state_.step;
  record.epochs =
      static_cast<double>(state_.epoch) +
      static_cast<double>(state_.batch) / static_cast<double>(stream_->batches_of_epoch());
  record.tokens = state_.tokens;
  record.supervised_tokens = state_.supervised_tokens;
  record.learning_rate = inputs_.plan.learning_rate;
  record.cooldown_start_step = state_.cooldown_start;
  fill_evaluations(record);
  record.stages = state_.stages;
  record.predicted_seconds = inputs_.plan.predicted_seconds;
  record.predicted_flops = inputs_.plan.predicted_flops.total();
  record.measured_seconds = measured();
  record.flops = state_.flops;
  record.peak_resident_bytes = memory_use().peak_resident;
  record.peak_anonymous_bytes = state_.peak_anonymous_bytes;
  fill_frozen_part(record);
  fill_speed(record);
  return record;
}

void Run::fill_frozen_part(types::RunRecord& record) const {
  if (stage_->cut > 0) record.activation_bytes_below_cut = 0;
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
  if (!inputs_.options.measure_products || fullest_.seconds.empty()) return;
  record.matrix_products = time_matrix_products(
      inputs_.graph, stage_->freeze, fullest_.tokens, fullest_.supervised_tokens);
  record.matrix_products->share_of_step =
      record.matrix_products->seconds / core::median(fullest_.seconds);
}

void Run::fill_evaluations(types::RunRecord& record) const {
  record.evaluations = state_.evaluations;
  record.best = state_.best;
  record.gates = state_.gates;
  if (state_.evaluations.empty()) return;
  if (state_.evaluations.front().step == 0) record.before = state_.evaluations.front();
  if (evaluated_now()) record.after = state_.evaluations.back();
}

}  // namespace salf::train
