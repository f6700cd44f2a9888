// train --pilot: the whole flow on a sample, before the whole is paid for.
#pragma once

#include <cstdint>
#include <string>

#include "app/session/session.h"
#include "data/rows/dataset.h"
#include "types/budget.h"
#include "types/run_record.h"

namespace salf::app {

// "5%" or "0.05" as 0.05. Throws Error(kUsage) unless it lies above 0 and below 1.
double pilot_share(const std::string& text);

// The share of a budget that is an amount (time, energy, money, FLOPs, tokens, steps); epochs and %
// mean the sample's already.
types::Budget pilot_budget(const types::Budget& whole, double share);
// The share of --min-steps, at least 1.
std::int64_t pilot_min_steps(std::int64_t whole, double share);

// The same share of each split, spread over the lengths (data::sample_documents), of train and dev
// eight documents at least if there are as many. The same for the same seed. Questions with options
// are left out: train has no use for them.
data::Dataset pilot_sample(const data::Dataset& all, double share, std::uint64_t seed);

// The session with such a sample of its documents.
Session pilot_session(const Session& all, double share);

types::PilotRecord pilot_record(double share, const data::Dataset& sample, const data::Dataset& all,
    const types::FreezePlan& full);
// Compares the pilot's steps with what was predicted for them. REQUIRES: run.pilot is there
void add_pace(types::RunRecord& run, const types::FreezePlan& full);

}  // namespace salf::app
