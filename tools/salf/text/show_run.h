// Runs and evaluations.
#pragma once

#include "report/run_data.h"
#include "text/plan_text.h"

namespace salf::tools {

// The plan, the losses before and after, predicted and measured time by phase, and the loss curve.
// REQUIRES: run.run is there
std::string run_text(const report::RunData& run, const TextStyle& style);
std::string evaluation_text(const types::EvaluationRecord& record);
// What a run did, as salf train prints it at its end. `folder`: where the run lies.
std::string run_summary(const types::RunRecord& record, const std::string& folder);
// A line per stage (its cut, its steps and the decision at its end) and per gate (its limit, its
// value, passed or failed), and what a pilot says about the whole run.
std::string course_lines(const types::RunRecord& record);

}  // namespace salf::tools
