// What a bench found, as a table.
#pragma once

#include <filesystem>
#include <string>

#include "app/bench/bench_record.h"

namespace salf::tools {

// A line an arm and budget, within 80 columns: means over the seeds with 95 % intervals, and the
// paired difference to full with the same budget and seed, from the files in `losses`.
std::string bench_table(const app::BenchRecord& record, const std::filesystem::path& losses);

}  // namespace salf::tools
