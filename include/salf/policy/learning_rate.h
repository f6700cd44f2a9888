// Which learning rate suits a cut? A rule in the trained share, until it can be measured.
#pragma once

#include <cstdint>

#include "salf/types/model_shape.h"

namespace salf::policy {

// 1.5e-4 · share^−¾, share = trained parameters / all parameters, at most 1e-3 (one block of a deep
// model would otherwise get a rate at which a first prototype diverged).
//
// Evidence: SmolLM2-135M on GSM8K, batches of 1,024 tokens, AdamW. Full tuning (share 1) did best
// at 1.5e-4 of {5e-5, 1.5e-4}; cut 8 (0.58) was tried at 2e-4; cut 15 (0.39) learned far faster at
// 4e-4 than at 1e-4 and overfitted at 8e-4 and in the second epoch at 4e-4. The rule
// gives 1.5e-4, 2.3e-4 and 3.0e-4 there.
double learning_rate(const types::ModelShape& shape, std::int64_t eof);

}  // namespace salf::policy
