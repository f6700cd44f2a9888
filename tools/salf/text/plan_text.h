// A plan as a person reads it.
#pragma once

#include <cstddef>
#include <string>

#include "types/freeze_plan.h"

namespace salf::tools {

// What was chosen and why, what it is predicted to take and bring; within `width` columns (40 at
// least).
std::string plan_summary(const types::FreezePlan& plan, std::size_t width = 80);

// The other candidates beside it, with a bar each, and what other budgets would buy; within 80
// columns. "" for a plan without candidates.
std::string plan_table(const types::FreezePlan& plan);

}  // namespace salf::tools
