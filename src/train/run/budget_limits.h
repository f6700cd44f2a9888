// What of a run's inputs must stay the same, and how far its budget reaches.
#pragma once

#include <cstdint>

#include "core/json.h"
#include "train/run/checkpoint.h"
#include "train/run/pacer.h"
#include "train/run/trainer.h"

namespace salf::train {

// Whether training rows are used again, so that their prefix is worth keeping.
bool keeps_prefix(const TrainInputs& inputs);

// Steps that a budget in tokens, FLOPs or a share pays for: the batches are known beforehand, so
// the end is known before the first step. plan.steps at most, and that for every other budget.
std::int64_t affordable_steps(const TrainInputs& inputs);

// The caller's identity, the plan's numbers and the options that change what is computed.
core::Json full_identity(const TrainInputs& inputs);

// Share 0 … 1 of the budget that is spent: seconds, tokens or FLOPs of its amount, else steps of
// `total`.
double budget_share(
    const TrainInputs& inputs, const Progression& state, double spent_seconds, std::int64_t total);

// Of two splits with the same dtype.
types::CacheUse sum(const types::CacheUse& a, const types::CacheUse& b);

// Budget and predictions of the plan.
PacerOptions pacer_options(const TrainInputs& inputs);

}  // namespace salf::train
