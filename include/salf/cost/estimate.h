// What will a run take on this machine? Seconds from the measured pieces, for any cut.
#pragma once

#include <cstdint>

#include "salf/cost/flops.h"
#include "salf/types/freeze_plan.h"

namespace salf::cost {

// Seconds of one forward-backward pass without the optimizer's share.
types::CostBreakdown batch_seconds(const types::MeasuredCost& cost, const types::ModelShape& shape,
                                   std::int64_t eof, const BatchShape& batch);

double evaluation_seconds(const types::MeasuredCost& cost, std::int64_t blocks,
                          const BatchShape& batch);

// One optimizer step: `accumulate` mean batches and the update of the trained parameters.
types::CostBreakdown step_seconds(const types::MeasuredCost& cost, const types::ModelShape& shape,
                                  const types::DataShape& data, std::int64_t eof,
                                  std::int64_t accumulate);
types::CostBreakdown step_flops(const types::ModelShape& shape, const types::DataShape& data,
                                std::int64_t eof, std::int64_t accumulate);

// Writing the tuned model once.
double save_seconds(const types::MeasuredCost& cost, const types::ModelShape& shape);

// `one` times `count`, part by part.
types::CostBreakdown scaled(const types::CostBreakdown& one, double count);

}  // namespace salf::cost
