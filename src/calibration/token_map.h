// One document as the model sees it, space by space, for a report.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "calibration/deviation.h"
#include "data/batching/batching.h"
#include "data/rows/dataset.h"
#include "types/layer_profile.h"

namespace salf::calibration {

// The document's first supervised positions with a few before them, `most` positions in all. text:
// gives the text of one token. Runs the document through the model once more, alone.
types::TokenMap token_map(const model::GraphCut& graph, const DeviationMeter& meter,
    const data::Dataset& dataset, std::int64_t document, std::int64_t padding_id, std::int64_t most,
    const std::function<std::string(std::int64_t)>& text);

}  // namespace salf::calibration
