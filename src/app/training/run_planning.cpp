#include "app/training/run_planning.h"

#include "app/planning/pilot.h"
#include "app/session/frozen_blocks.h"

namespace salf::app {

PlanningRequest planning_request(const TrainingRequest& training, const RunSoFar& run) {
  const RunOptions& options = training.options;
  const bool pilot = !options.pilot.empty();
  const bool quantized = options.frozen.frozen_dtype != FrozenOptions{}.frozen_dtype;
  PlanningRequest request;
  request.options = options.planning;
  request.budget = run.budget;
  request.calibration = options.calibration;
  request.frozen = options.frozen.frozen_dtype;
  if (!options.profile.empty()) request.profile = read_profile_for(run.session, options.profile);
  request.lora = run.lora;
  if (options.lora.beside(options.planning, options.model.adapter))
    request.beside = usual_lora(run.session);
  request.batches = {run.session.batch.tokens(), options.batch.pack, options.planning.accumulate,
      !options.train.no_cache, options.train.recompute};
  request.batches.shard_optimizer = options.train.shard_optimizer;
  request.batches.frozen_bytes = frozen_bytes(options.frozen.frozen_dtype);
  share_among(training.ranks, request);
  request.scratch = run.folder;
  if (!options.full_evidence && !pilot) request.need = EvidenceNeed::kNeeded;
  // Where blocks are quantized, the run's first evaluation sees another model.
  request.dev_loss = quantized ? DevLoss::kProfile : DevLoss::kOfTheRun;
  if (!options.planning.no_trials && !data::reads_standard_input(options.data))
    request.trials = options.train;
  if (!pilot) return request;
  const double share = pilot_share(options.pilot);
  request.budget = pilot_budget(run.budget, share);
  request.options.min_steps = pilot_min_steps(request.options.min_steps, share);
  request.trial_session = run.all;
  return request;
}

}  // namespace salf::app
