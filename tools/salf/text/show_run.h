// How do runs, plans and evaluations look in a terminal?
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "report/run_data.h"
#include "types/evaluation.h"
#include "types/freeze_plan.h"

namespace salf::tools {

// How wide lines may be, and whether headings are bold and bars coloured.
struct TextStyle {
  std::size_t width = 80;
  bool colour = false;
};

// Losses before and after, predicted beside measured by what time was spent on, the loss curve.
// REQUIRES: run.run is there
std::string run_text(const report::RunData& run, const TextStyle& style);
// The plan as plan_summary has it, the rules' choices, and the price of each depth.
std::string plan_text(const types::FreezePlan& plan, const TextStyle& style);
std::string evaluation_text(const types::EvaluationRecord& record);
// A line a stage: its cut, what it did and what was decided. "" of a run without stages.
std::string stage_lines(const std::vector<types::StageRecord>& stages);
// A line a gate: its limit, its value, passed or failed. "" without any.
std::string gate_lines(const std::vector<types::Gate>& gates);
// What a pilot says about the whole run; "" for other runs.
std::string pilot_lines(const std::optional<types::PilotRecord>& pilot);

}  // namespace salf::tools
