// Whether a run's quality gates hold.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "types/gate.h"

namespace salf::train {

// What gates can look at; of the dev split, what is known.
struct RunFigures {
  std::int64_t step = 0;  // of the weights that were evaluated
  std::optional<double> loss, loss_before, accuracy;
  double seconds = 0.0;
  double peak_memory = 0.0;  // bytes
};

// Writes value, step and outcome into each gate that is due: all at the end, before it those
// without at_end. A figure that is not known, or not finite, passes none. Returns a sentence for
// each that failed.
std::vector<std::string> check_gates(
    std::vector<types::Gate>& gates, const RunFigures& figures, bool at_end);

}  // namespace salf::train
