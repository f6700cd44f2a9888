// Does the deviation fall with depth by a law? d(l) = c + a·(l+1)^−b, fitted by weighted least
// squares.
#pragma once

#include "types/layer_profile.h"

namespace salf::policy {

// Weights are 1/error² (equal where errors are unknown). For each b the best a and c are linear
// least squares; b is searched on a logarithmic grid over [0.01, 10] and refined by golden section.
// The 90 % range of b comes from the replicates. `found` is false where the curve does not fall (a
// ≤ 0) or b runs to an end of the range: then the law says nothing, and the shares are 0. share[l]
// is the part of the fitted reduction d(0) − d(L) made by space l.
types::ScalingLaw fit_scaling_law(const types::Deviation& deviation);

}  // namespace salf::policy
