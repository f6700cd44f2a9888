// What a run did, as salf train prints it at its end.
#pragma once

#include <string>

#include "types/run_record.h"

namespace salf::tools {

// Plan, losses, stages, gates, predicted and measured time; `folder`: where the run lies.
std::string run_summary(const types::RunRecord& record, const std::string& folder);

}  // namespace salf::tools
