// Benches and trials as tables, within 80 columns.
#pragma once

#include "app/bench/bench_record.h"
#include "types/trial_table.h"

namespace salf::tools {

// A line an arm and budget: means over the seeds with 95 % intervals, and the paired difference to
// full with the same budget and seed, from the files in `losses`.
std::string bench_table(const app::BenchRecord& record, const std::filesystem::path& losses);

std::string trials_text(const types::TrialTable& table);

}  // namespace salf::tools
