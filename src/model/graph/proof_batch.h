// The batch on which a model is proved: few fixed random ids, small enough for any vocabulary, with
// one padded row.
#pragma once

#include "tensor/batch.h"

namespace salf::model {

tensor::Batch proof_batch();

// The first row without its padding.
tensor::Batch first_row(const tensor::Batch& batch);

}  // namespace salf::model
