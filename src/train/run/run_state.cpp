#include <string>
#include <utility>

#include "core/error.h"
#include "train/run/budget_limits.h"
#include "train/run/run.h"

namespace salf::train {
namespace {

// What a disk surely writes a second; only used before the first checkpoint was timed.
constexpr double kSlowDiskBytes = 1e8;

}  // namespace

void Run::start() {
  stage_ = std::make_unique<Stage>(inputs_, caches_, 0);
  stream_.emplace(inputs_.train, inputs_.seed, 0, 0);
  metrics_.emplace(MetricsFile::start(inputs_.folder / "metrics.jsonl"));
  state_.gates = inputs_.gates;
  begin_stage();
  stage_->best.take();
}

void Run::resume() {
  const std::optional<Checkpoint> saved = read_latest_checkpoint(inputs_.folder);
  if (!saved) {
    throw Error(
        ErrorKind::kUsage, inputs_.folder.string() +
                               ": there is no checkpoint to resume from; start without --resume");
  }
  check_identity(saved->identity, full_identity(inputs_));
  state_ = saved->progression;
  carried_ = saved->progression;
  stage_ = std::make_unique<Stage>(
      inputs_, caches_, state_.stages.empty() ? 0 : state_.stages.size() - 1);
  if (!inputs_.plan.budget.deterministic() && state_.cooldown_start)
    settle_cooldown(*state_.cooldown_start);
  if (load_weights(stage_->freeze.trained(), saved->tensors, "best/")) {
    stage_->best.take();
    load_weights(stage_->freeze.trained(), saved->tensors, "weight/");
  } else {
    load_weights(stage_->freeze.trained(), saved->tensors, "weight/");
    stage_->best.take();
  }
  stage_->optimizer.load_state(saved->tensors, "adam/", state_.step);
  stream_.emplace(inputs_.train, inputs_.seed, state_.epoch, state_.batch);
  metrics_.emplace(MetricsFile::resume(inputs_.folder / "metrics.jsonl", state_.step,
      static_cast<std::int64_t>(state_.evaluations.size())));
  last_checkpoint_ = spent();
  saved_step_ = state_.step;
}

bool Run::checkpoint_due() const {
  if (state_.step == saved_step_ || state_.step == 0) return false;
  const TrainOptions& options = inputs_.options;
  const bool by_steps = options.checkpoint_steps > 0 && state_.step % options.checkpoint_steps == 0;
  const bool by_seconds =
      options.checkpoint_seconds > 0.0 && spent() - last_checkpoint_ >= options.checkpoint_seconds;
  if (!by_steps && !by_seconds) return false;
  return !pacer_ || pacer_->step_fits(spent() + checkpoint_seconds());
}

double Run::checkpoint_seconds() const {
  if (checkpoint_took_ > 0.0) return checkpoint_took_;
  return 4.0 * 4.0 * static_cast<double>(stage_->freeze.trained_count()) / kSlowDiskBytes;
}

void Run::save_checkpoint() {
  const core::Stopwatch watch;
  Checkpoint checkpoint;
  checkpoint.identity = full_identity(inputs_);
  checkpoint.progression = state_;
  checkpoint.progression.spent_seconds = spent();
  checkpoint.progression.measured_seconds = measured();
  checkpoint.tensors = weight_tensors(stage_->freeze.trained(), "weight/");
  const bool best_is_present = state_.best && state_.best->step == state_.step;
  const auto add = [&](std::vector<tensor::NamedTensor> more) {
    for (auto& named : more) checkpoint.tensors.push_back(std::move(named));
  };
  if (!best_is_present) add(stage_->best.tensors("best/"));
  add(stage_->optimizer.state("adam/"));
  write_checkpoint(inputs_.folder, checkpoint);
  checkpoint_took_ = watch.seconds();
  last_checkpoint_ = spent();
  saved_step_ = state_.step;
}

}  // namespace salf::train
