// How well a model predicts held-out documents and answers their questions.
#pragma once

#include <cstdint>
#include <optional>

#include "app/session/session.h"
#include "core/progress.h"
#include "data/rows/dataset.h"
#include "types/evaluation.h"

namespace salf::app {

// Scores `documents` of the split that are drawn by the session's seed, or all of them for 0. The
// result has each document's loss; there is none once core::stop_signal() is set. Throws
// Error(kBadInput) if the split has no documents. REQUIRES: open_data
std::optional<types::EvaluationRecord> evaluate(
    const Session& session, data::Split split, std::int64_t documents, core::Progress& progress);

}  // namespace salf::app
