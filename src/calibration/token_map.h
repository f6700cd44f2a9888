// One document as the model sees it, space by space: for people to look at.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "calibration/deviation.h"
#include "data/batching/batching.h"
#include "data/rows/dataset.h"
#include "types/layer_profile.h"

namespace salf::calibration {

// The document's first supervised positions and a little of what stands before them, `most`
// positions at most. text: of one token. The document goes through the model once more, alone.
types::TokenMap token_map(const model::GraphCut& graph, const DeviationMeter& meter,
    const data::Dataset& dataset, std::int64_t document, std::int64_t padding_id, std::int64_t most,
    const std::function<std::string(std::int64_t)>& text);

}  // namespace salf::calibration
