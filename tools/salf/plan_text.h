// A plan as a person reads it.
#pragma once

#include <string>

#include "salf/types/freeze_plan.h"

namespace salf::tools {

// What was chosen and why, what it is predicted to take and bring; within 80 columns.
std::string plan_summary(const types::FreezePlan& plan);

// The other candidates beside it, with a bar each, and what other budgets would buy; within 80 columns. "" for a plan without
// candidates.
std::string plan_table(const types::FreezePlan& plan);

}  // namespace salf::tools
