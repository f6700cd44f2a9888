#include "app/training/run_planning.h"

#include "app/planning/pilot.h"
#include "distributed/group.h"

namespace salf::app {

PlanningRequest planning_request(const TrainingRequest& training, const RunSoFar& run) {
  const RunOptions& options = training.options;
  const bool pilot = !options.pilot.empty();
  const std::int64_t ranks = training.ranks == nullptr ? 1 : training.ranks->size();
  const bool quantized = options.frozen.frozen_dtype != FrozenOptions{}.frozen_dtype;
  PlanningRequest request;
  request.options = options.planning;
  request.budget = run.budget;
  request.calibration = options.calibration;
  request.ranks = ranks;
  request.frozen = options.frozen.frozen_dtype;
  if (!options.profile.empty()) request.profile = read_profile_for(run.session, options.profile);
  request.lora = run.lora;
  if (options.lora.beside(options.planning, options.model.adapter))
    request.beside = usual_lora(run.session);
  request.batches = {options.batch.batch_tokens, options.batch.pack,
      ranks * options.planning.accumulate, !options.train.no_cache, options.train.recompute, ranks,
      ranks > 1 && options.train.shard_optimizer != train::ShardOptimizer::kOff};
  request.scratch = run.folder;
  if (!options.full_evidence && !pilot) request.need = EvidenceNeed::kNeeded;
  // Where blocks are quantized, the run's first evaluation sees another model.
  request.dev_loss = quantized ? DevLoss::kProfile : DevLoss::kOfTheRun;
  // Trials are runs of one process.
  if (ranks == 1 && !options.planning.no_trials && !data::reads_standard_input(options.data))
    request.trials = options.train;
  if (!pilot) return request;
  const double share = pilot_share(options.pilot);
  request.budget = pilot_budget(run.budget, share);
  request.options.min_steps = pilot_min_steps(request.options.min_steps, share);
  request.trial_session = run.all;
  return request;
}

}  // namespace salf::app
