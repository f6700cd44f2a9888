// Chooses the cuts of a run from deep to shallow, and tells if the next one is worth its price.
#pragma once

#include "policy/prediction.h"
#include "types/stage.h"

namespace salf::policy {

// `count` cuts evenly spaced from `deep` to `shallow`, each once; only `shallow` where `deep` is no
// deeper.
std::vector<std::int64_t> stage_cuts(std::int64_t deep, std::int64_t shallow, std::int64_t count);

// Unfreezes where the loss predicted for the end of the run is then lower by more than a thousandth
// of the loss before. What a deeper cut has learned counts as the tokens with which the shallower
// one would have come as far. `loss_before`: in nats; without it the losses are shares of it.
types::StageDecision decide_stage(
    const Predictor& predictor, const types::StageEnd& end, std::optional<double> loss_before);

}  // namespace salf::policy
