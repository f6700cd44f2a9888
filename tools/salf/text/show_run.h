// Runs and evaluations.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "report/run_data.h"
#include "text/columns.h"
#include "text/plan_text.h"
#include "types/evaluation.h"

namespace salf::tools {

// The plan, the losses before and after, predicted and measured time by phase, and the loss curve.
// REQUIRES: run.run is there
std::string run_text(const report::RunData& run, const TextStyle& style);
std::string evaluation_text(const types::EvaluationRecord& record);
// A line per stage: its cut, its steps and the decision at its end.
std::string stage_lines(const std::vector<types::StageRecord>& stages);
// A line per gate: its limit, its value, passed or failed.
std::string gate_lines(const std::vector<types::Gate>& gates);
// What a pilot says about the whole run; "" for other runs.
std::string pilot_lines(const std::optional<types::PilotRecord>& pilot);

}  // namespace salf::tools
