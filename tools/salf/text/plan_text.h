// Plans.
#pragma once

#include "text/columns.h"
#include "types/freeze_plan.h"

namespace salf::tools {

// The summary, the choices of the rules, and the price of each cut.
std::string plan_text(const types::FreezePlan& plan, const TextStyle& style);

// The choice with its reason, its predicted cost and its predicted loss; in lines of at most
// `width` columns (40 at least).
std::string plan_summary(const types::FreezePlan& plan, std::size_t width = 80);

// The candidates, each with a bar, and what other budgets would buy; in lines of at most 80
// columns. "" for a plan without candidates.
std::string plan_table(const types::FreezePlan& plan);

// Ranks that were asked for beside one, in lines of at most 80 columns; "" where none were.
std::string scale_table(const types::FreezePlan& plan);

// In nats, or in per cent of the loss before tuning where that is not known.
std::string loss_text(const types::FreezePlan& plan, double loss);
// "1.234 (1.2 to 1.3)"
std::string range_text(const types::FreezePlan& plan, const types::Range& range);
// "3.4 Wh estimated, 1.6 g CO2, 0.02 EUR"
std::string footprint_text(const types::Footprint& footprint);

}  // namespace salf::tools
