#include <utility>

#include "app/planning/planning.h"
#include "core/clock.h"
#include "distributed/group.h"
#include "types/validate.h"

namespace salf::app {

types::LayerProfile read_profile_for(const Session& session, const std::string& file) {
  types::LayerProfile profile = types::read_profile(file);
  check_made_for(profile.provenance, session, file);
  return profile;
}

PlanningRequest planning_request(const PlanningOptions& options, const LoraOptions& lora,
    types::LayerProfile profile, Session& session) {
  PlanningRequest request;
  request.options = options;
  request.budget = options.parsed_budget();
  request.lora = start_lora(lora.settings(), session);
  if (request.lora) session.graph = session.graph->with_lora(request.lora->branches);
  if (lora.beside(options, session.options.adapter)) request.beside = usual_lora(session);
  request.batches = {session.batch.tokens(), session.batch.pack, options.accumulate};
  request.dev_loss = DevLoss::kSample;
  request.spent_seconds = [analysis = profile.seconds, watch = core::Stopwatch(),
                              spent = std::optional<double>{}]() mutable {
    if (!spent) spent = analysis + watch.seconds();
    return *spent;
  };
  request.profile = std::move(profile);
  return request;
}

void share_among(distributed::Group* ranks, PlanningRequest& request) {
  request.ranks = ranks;
  request.batches.ranks = ranks == nullptr ? 1 : ranks->size();
  request.batches.accumulate *= request.batches.ranks;
}

}  // namespace salf::app
