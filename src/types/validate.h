// Checks of documents after reading: ranges, array lengths and sums. JSON types and unknown keys
// are checked by core/json.h.
#pragma once

#include <filesystem>

#include "types/run_record.h"
#include "types/trial_table.h"

namespace salf::types {

// Each throws Error(kBadInput) at the first problem, with its JSON path below `where`
// ("profile.json"), the expected and the found value.
//
// Numbers are finite and within their ranges; standard errors may be NaN (fewer than two
// documents). Arrays over blocks have L entries, arrays over spaces L+1. A block has at most as
// many matrix parameters as parameters. The model has at least the sum of its parts (learned
// positions and the like lie outside).
void check(const ModelShape& shape, const std::string& where);
// gain[i] = deviation[i] − deviation[i+1] to 1e-6; one entry a measure.
void check(const LayerProfile& profile, const std::string& where);
void check(const DataShape& data, const std::string& where);
// cut ≤ L−1, the candidates are 0 … L-1 in order.
void check(const FreezePlan& plan, const std::string& where);
void check(const RunRecord& record, const std::string& where);
void check(const TrialTable& table, const std::string& where);

// core::read_document and check. Throw Error(kIo) or Error(kBadInput).
LayerProfile read_profile(const std::filesystem::path& path);
FreezePlan read_plan(const std::filesystem::path& path);
TrialTable read_trials(const std::filesystem::path& path);
RunRecord read_run(const std::filesystem::path& path);

}  // namespace salf::types
