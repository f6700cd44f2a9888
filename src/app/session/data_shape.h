// What the data ask for, as the cost model sees it.
#pragma once

#include <cstdint>
#include <vector>

#include "app/session/session.h"
#include "types/measured_cost.h"

namespace salf::app {

// One epoch of the train split in the session's batches; no dev evaluation.
types::DataShape training_shape(const Session& session);

// Sets what one evaluation of these documents takes.
void set_dev_shape(
    const Session& session, const std::vector<std::int64_t>& documents, types::DataShape& shape);

}  // namespace salf::app
