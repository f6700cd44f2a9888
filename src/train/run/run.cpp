#include "train/run/run.h"

#include <ATen/core/grad_mode.h>

#include "core/log.h"
#include "core/signals.h"
#include "core/statistics.h"
#include "core/text.h"
#include "cost/estimate.h"
#include "distributed/group.h"
#include "model/weights/narrow_weights.h"
#include "tensor/device_memory.h"
#include "tensor/pool.h"
#include "tensor/transfer.h"
#include "train/run/checkpoint.h"
#include "train/timing.h"

namespace salf::train {

Run::Run(const RunInputs& inputs, std::size_t place, const RunSnapshot* from)
    : inputs_(inputs), device_(inputs.what.graph.head_weight().device()), caches_(inputs) {
  tensor::trim_memory();  // of what came before
  if (!device_.is_cpu()) tensor::forget_most_held(device_);
  if (inputs.ranks != nullptr) inputs.ranks->use_device(device_);
  stage_ = std::make_unique<Stage>(inputs, caches_, place);
  if (from != nullptr) {
    load(*from);
  } else {
    batches_.emplace(inputs, 0, 0);
    share_weights();
    stage_->best.take();
  }
  unread_.emplace(inputs, stage_->freeze, caches_.train(inputs.what.plan.cuts().size() - 1));
}

std::optional<StepMetrics> Run::step(double learning_rate) {
  const core::Stopwatch watch;
  StepMetrics metrics;
  metrics.learning_rate = learning_rate;
  StepBatches taken = batches_->take(*stage_);
  metrics.epoch = taken.epoch;
  StepResult result = stage_->runner.run(
      taken.batches, learning_rate, phases_, [this] { batches_->draw_ahead(*stage_); });
  result.anonymous_bytes = memory_held(result.anonymous_bytes);
  share_work(taken, result.anonymous_bytes);
  if (!result.finite) {
    core::log_error("step " + std::to_string(state_.step + 1) + ": loss " +
                    core::format_number(result.loss) + ", gradient norm " +
                    core::format_number(result.gradient_norm) + ": " + kGoingBack);
    return std::nullopt;
  }
  metrics.step = ++state_.step;
  state_.epoch = taken.next_epoch;
  state_.batch = taken.next_batch;
  metrics.tokens = state_.tokens += result.tokens;
  metrics.supervised_tokens = state_.supervised_tokens += result.supervised_tokens;
  state_.flops += taken.flops;
  state_.flops_avoided += taken.flops_avoided;
  state_.peak_anonymous_bytes = std::max(state_.peak_anonymous_bytes, result.anonymous_bytes);
  metrics.loss = result.loss;
  metrics.seconds = watch.seconds();
  // Later epochs show what a step costs once the frozen part is paid for.
  if ((!cached() || metrics.epoch > 0) && result.tokens >= fullest_.tokens) {
    if (result.tokens > fullest_.tokens) fullest_.seconds.clear();
    fullest_.tokens = result.tokens;
    fullest_.supervised_tokens = result.supervised_tokens;
    fullest_.seconds.push_back(metrics.seconds);
  }
  release_frozen();
  return metrics;
}

std::int64_t Run::memory_held(std::int64_t on_cpu) const {
  return device_.is_cpu() ? on_cpu : tensor::most_bytes_held(device_);
}

bool Run::leads() const { return inputs_.ranks == nullptr || inputs_.ranks->leads(); }

void Run::share_weights() const {
  if (inputs_.ranks == nullptr) return;
  const at::NoGradGuard quiet;
  for (const auto& parameter : stage_->freeze.trained()) {
    const at::Tensor sent = inputs_.ranks->sendable(parameter.tensor.detach()).contiguous();
    inputs_.ranks->broadcast(sent);
    if (!inputs_.ranks->leads()) parameter.tensor.copy_(sent);
  }
}

void Run::share_work(StepBatches& taken, std::int64_t& anonymous_bytes) const {
  if (inputs_.ranks == nullptr) return;
  const std::vector<double> own{
      taken.flops, taken.flops_avoided, static_cast<double>(anonymous_bytes)};
  const std::vector<double> all = inputs_.ranks->all_gather(own);
  taken.flops = taken.flops_avoided = 0.0;
  for (std::size_t of = 0; of < all.size(); of += own.size()) {
    taken.flops += all[of];
    taken.flops_avoided += all[of + 1];
    anonymous_bytes = std::max(anonymous_bytes, static_cast<std::int64_t>(all[of + 2]));
  }
}

bool Run::prefix_is_kept() const {
  const std::size_t last = inputs_.what.plan.cuts().size() - 1;
  const bool evaluates = inputs_.what.dev.rows() > 0 && inputs_.what.plan.evaluations > 0;
  return caches_.train(last) != nullptr && (!evaluates || caches_.dev(last) != nullptr);
}

void Run::release_frozen() {
  if (prefix_is_kept() && caches_.complete()) unread_->all_cached(stage_->freeze);
}

MeasuredLosses Run::evaluate(const std::function<bool()>& keep_going, core::Progress& progress) {
  EvaluateOptions options;
  options.cache = stage_->dev_cache;
  options.cut = cut();
  options.keep_going = keep_going;
  options.ranks = inputs_.ranks;
  std::optional<distributed::Group::LongWork> long_work(
      std::in_place, inputs_.ranks, "an evaluation");
  MeasuredLosses losses = train::evaluate(inputs_.what.graph, inputs_.what.dev, options, progress);
  long_work.reset();
  StepBatches nothing;
  std::int64_t anonymous = memory_held(memory_use().anonymous);
  share_work(nothing, anonymous);
  state_.peak_anonymous_bytes = std::max(state_.peak_anonymous_bytes, anonymous);
  if (!losses.stopped) phases_.evaluation += losses.evaluation.seconds;
  release_frozen();
  return losses;
}

types::DevEvaluation Run::dev_evaluation(const Evaluation& result) const {
  return {state_.step, result.loss.value, result.standard_error, result.seconds};
}

bool Run::add(const types::DevEvaluation& evaluation) {
  if (!std::isfinite(evaluation.loss)) {
    core::log_error(
        "the dev loss after step " + std::to_string(state_.step) + " is not finite: " + kGoingBack);
    return false;
  }
  state_.evaluations.push_back(evaluation);
  return true;
}

void Run::keep_if_best(double accuracy) {
  const types::DevEvaluation& evaluation = state_.evaluations.back();
  if (state_.best && state_.best->loss <= evaluation.loss) {
    ++state_.worse_evaluations;
    return;
  }
  state_.best = evaluation;
  state_.best_accuracy = accuracy;
  state_.worse_evaluations = 0;
  stage_->gather_weights();
  stage_->best.take();
}

void Run::train_only(const std::vector<std::int64_t>& blocks) {
  stage_->freeze.train_only(inputs_.what.graph, blocks);
}

void Run::move_cut() {
  stage_ = next_stage(std::move(stage_), inputs_, caches_);
  state_.worse_evaluations = 0;
  fullest_ = {};
}

types::CostBreakdown Run::measured() const {
  types::CostBreakdown here = phases_;
  here.fixed = std::max(0.0, watch_.seconds() - phases_.total());
  return cost::sum(state_.measured_seconds, here);
}

RunSnapshot Run::present(bool with_moments) const {
  stage_->gather_weights();
  RunSnapshot now{state_, weight_tensors(stage_->freeze.trained(), "weight/")};
  now.state.measured_seconds = measured();
  const auto add = [&](std::vector<tensor::NamedTensor> more) {
    for (auto& named : more) now.tensors.push_back(std::move(named));
  };
  if (!state_.best_is_present()) add(stage_->best.tensors("best/"));
  add(stage_->optimizer_state("adam/", inputs_.where.nameless(), with_moments));
  return now;
}

RunSnapshot Run::snapshot() const {
  RunSnapshot now = present(/*with_moments=*/true);
  now.tensors = copies_of(now.tensors, inputs_.where.nameless());
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
  stage_->load_optimizer_state(snapshot.tensors, "adam/", state_.step);
  batches_.emplace(inputs_, state_.epoch, state_.batch);
}

void Run::checkpoint(const RunCourse& course) const {
  const Checkpoint now{full_identity(inputs_), present(leads()), course};
  if (!leads()) return;
  const distributed::Group::LongWork long_work(inputs_.ranks, "a checkpoint");
  write_checkpoint(inputs_.where.folder, now);
}

types::RunRecord Run::finish(types::RunStatus status) {
  using types::RunStatus;
  stage_->runner.finish(phases_);
  const bool broken = status == RunStatus::kDiverged || status == RunStatus::kGateFailed;
  if (broken || (state_.best && !state_.best_is_present())) {
    stage_->best.restore();
  } else {
    stage_->gather_weights();
  }
  const types::FreezePlan& plan = inputs_.what.plan;
  types::RunRecord record;
  record.options = core::to_json(inputs_.how.options);
  record.seed = inputs_.how.seed;
  record.plan = plan;
  record.status = status;
  record.exit_signal = status == RunStatus::kInterrupted ? core::stop_signal() : 0;
  record.steps = state_.step;
  record.epochs = static_cast<double>(state_.epoch) +
                  static_cast<double>(state_.batch) / static_cast<double>(batches_->of_epoch());
  record.tokens = state_.tokens;
  record.supervised_tokens = state_.supervised_tokens;
  record.learning_rate = plan.learning_rate;
  record.evaluations = state_.evaluations;
  record.best = state_.best;
  if (const auto* before = state_.before()) record.before = *before;
  if (state_.evaluated()) record.after = state_.evaluations.back();
  record.predicted_seconds = plan.predicted_seconds;
  record.predicted_flops = plan.predicted_flops.total();
  record.measured_seconds = measured();
  record.flops = state_.flops;
  record.peak_resident_bytes = memory_use().peak_resident;
  record.peak_anonymous_bytes = state_.peak_anonymous_bytes;
  if (cut() > 0) record.activation_bytes_below_cut = 0;
  record.frozen_bytes_mapped = unread_->bytes();
  record.cache = all_caches();
  if (record.cache) record.cache->flops_avoided = state_.flops_avoided;
  fill_speed(record);
  return record;
}

std::optional<types::CacheUse> Run::all_caches() const {
  std::optional<types::CacheUse> use = caches_.use();
  if (inputs_.ranks == nullptr) return use;
  const std::string own = use ? core::to_json(*use).dump() : "";
  use.reset();
  for (const std::string& text : inputs_.ranks->all_gather(own)) {
    if (text.empty()) continue;
    types::CacheUse one;
    core::from_json(core::parse_json(text, "a rank's cache"), "a rank's cache", one);
    use = use ? sum_of(*use, one) : one;
  }
  return use;
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
  if (plan.shards) identity["shards"] = *plan.shards;
  identity["evaluations"] = plan.evaluations;
  identity["seed"] = inputs.how.seed;
  identity["compute_type"] = c10::toString(inputs.what.graph.type());
  const core::Json options = core::to_json(inputs.how.options);
  for (const auto& entry : options.items()) {
    // How often a run is saved, and who updates a weight, do not change what it computes.
    if (entry.key().rfind("checkpoint_", 0) != 0 && entry.key() != "shard_optimizer")
      identity[entry.key()] = entry.value();
  }
  return identity;
}

}  // namespace salf::train
