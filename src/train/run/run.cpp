#include "train/run/run.h"

#include "core/log.h"
#include "core/signals.h"
#include "core/statistics.h"
#include "core/text.h"
#include "cost/estimate.h"
#include "model/weights/narrow_weights.h"
#include "tensor/pool.h"
#include "tensor/transfer.h"
#include "train/run/checkpoint.h"
#include "train/timing.h"

namespace salf::train {
namespace {

// The frozen parameters that a step does not read: all where narrow copies take their place, those
// below the cut where a cache does. What a later stage trains is none of them.
std::vector<model::Parameter> unread_weights(
    const RunInputs& inputs, const Freeze& freeze, const PrefixCache* cache) {
  const bool narrow = inputs.what.graph.narrow_weights() != nullptr;
  if (narrow && inputs.what.plan.stages.empty()) return freeze.frozen();
  if (!narrow && cache == nullptr) return {};
  return weights_below(freeze, inputs.what.graph, inputs.what.plan.cut);
}

// Nothing where there are none, or the disk has no room.
std::optional<MappedWeights> map_frozen(
    const RunInputs& inputs, const Freeze& freeze, const PrefixCache* cache) {
  const std::vector<model::Parameter> unread = unread_weights(inputs, freeze, cache);
  if (unread.empty()) return std::nullopt;
  try {
    MappedWeights mapped(unread, inputs.where.folder);
    if (const auto& narrow = inputs.what.graph.narrow_weights()) {
      for (const auto& parameter : unread) narrow->moved(parameter.tensor);
      mapped.release();
    }
    return mapped;
  } catch (const Error& error) {
    core::log_info(std::string("the frozen weights stay in memory: ") + error.what());
    return std::nullopt;
  }
}

}  // namespace

Run::Run(const RunInputs& inputs, std::size_t place, const RunSnapshot* from)
    : inputs_(inputs), caches_(inputs) {
  tensor::trim_memory();  // of what came before
  stage_ = std::make_unique<Stage>(inputs, caches_, place);
  if (from != nullptr) {
    load(*from);
  } else {
    begin_at(0, 0);
    stage_->best.take();
  }
  frozen_ = map_frozen(inputs, stage_->freeze, caches_.train(inputs.what.plan.cuts().size() - 1));
}

std::optional<StepMetrics> Run::step(double learning_rate) {
  const core::Stopwatch watch;
  StepMetrics metrics;
  metrics.learning_rate = learning_rate;
  const Taken taken = take_batches();
  metrics.epoch = taken.epoch;
  const StepResult result =
      stage_->runner.run(taken.batches, learning_rate, phases_, [this] { draw_ahead(); });
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

void Run::begin_at(std::int64_t epoch, std::int64_t batch) {
  drawn_.clear();
  stream_.emplace(inputs_.what.train, inputs_.how.seed, epoch, batch);
  batches_of_epoch_ = stream_->batches_of_epoch();
}

Run::Drawn Run::draw() {
  Drawn drawn;
  drawn.epoch = stream_->epoch();
  drawn.batch = tensor::on_device(stream_->next(), inputs_.what.graph.head_weight().device());
  drawn.next_epoch = stream_->epoch();
  drawn.next_batch = stream_->batch();
  drawn.batches_of_epoch = stream_->batches_of_epoch();
  return drawn;
}

void Run::draw_ahead() {
  while (static_cast<std::int64_t>(drawn_.size()) < inputs_.what.plan.accumulate) {
    drawn_.push_back(draw());
    if (cached()) stage_->cache->send_ahead(drawn_.back().batch);
  }
}

Run::Taken Run::take_batches() {
  const types::ModelShape& shape = inputs_.what.plan.shape;
  Taken taken;
  for (std::int64_t i = 0; i < inputs_.what.plan.accumulate; ++i) {
    if (drawn_.empty()) drawn_.push_back(draw());
    Drawn next = std::move(drawn_.front());
    drawn_.pop_front();
    if (i == 0) taken.epoch = next.epoch;
    taken.next_epoch = next.next_epoch;
    taken.next_batch = next.next_batch;
    batches_of_epoch_ = next.batches_of_epoch;
    const tensor::Batch& batch = taken.batches.emplace_back(std::move(next.batch));
    taken.flops += training_flops(shape, batch, cut(), next.epoch > 0 && cached());
    if (!cached() || !stage_->cache->holds(batch)) continue;
    taken.flops_avoided +=
        training_flops(shape, batch, cut(), false) - training_flops(shape, batch, cut(), true);
  }
  return taken;
}

void Run::release_frozen() {
  if (!frozen_ || frozen_released_ || !caches_.complete()) return;
  frozen_->release();
  if (const auto& narrow = inputs_.what.graph.narrow_weights()) {
    for (const auto& parameter :
        weights_below(stage_->freeze, inputs_.what.graph, inputs_.what.plan.cut))
      narrow->forget(parameter.tensor);
  }
  frozen_released_ = true;
}

MeasuredLosses Run::evaluate(const std::function<bool()>& keep_going, core::Progress& progress) {
  EvaluateOptions options;
  options.cache = stage_->dev_cache;
  options.cut = cut();
  options.keep_going = keep_going;
  MeasuredLosses losses = train::evaluate(inputs_.what.graph, inputs_.what.dev, options, progress);
  state_.peak_anonymous_bytes = std::max(state_.peak_anonymous_bytes, memory_use().anonymous);
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
  begin_at(state_.epoch, state_.batch);
}

void Run::checkpoint(const RunCourse& course) const {
  write_checkpoint(inputs_.where.folder, {full_identity(inputs_), present(), course});
}

types::RunRecord Run::finish(types::RunStatus status) {
  using types::RunStatus;
  stage_->runner.finish(phases_);
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
  record.epochs = static_cast<double>(state_.epoch) +
                  static_cast<double>(state_.batch) / static_cast<double>(batches_of_epoch_);
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
  if (frozen_) record.frozen_bytes_mapped = frozen_->bytes();
  record.cache = caches_.use();
  if (record.cache) record.cache->flops_avoided = state_.flops_avoided;
  fill_speed(record);
  return record;
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
  identity["compute_type"] = c10::toString(inputs.what.graph.type());
  const core::Json options = core::to_json(inputs.how.options);
  for (const auto& entry : options.items()) {
    // How often a run is saved does not change what it computes.
    if (entry.key().rfind("checkpoint_", 0) != 0) identity[entry.key()] = entry.value();
  }
  return identity;
}

}  // namespace salf::train
