// How far a run's budget reaches.
#pragma once

#include <cstdint>

#include "tensor/batch.h"
#include "train/run/run_inputs.h"
#include "train/run/run_state.h"

namespace salf::train {

// Whether training rows are used again, so that their prefix is worth keeping.
bool keeps_prefix(const RunInputs& inputs);

// FLOPs of one training batch at a cut, whose frozen part is run or comes from the cache.
double training_flops(
    const types::ModelShape& shape, const tensor::Batch& batch, std::int64_t cut, bool cached);

// Steps that a budget in tokens, FLOPs or a share pays for: the batches are known beforehand, so
// the end is known before the first step. plan.steps at most, and that for every other budget.
std::int64_t affordable_steps(const RunInputs& inputs);

// Share 0 … 1 of the budget that is spent: seconds, tokens or FLOPs of its amount, else steps of
// `total`.
double budget_share(
    const types::FreezePlan& plan, const RunState& state, double spent_seconds, std::int64_t total);

}  // namespace salf::train
