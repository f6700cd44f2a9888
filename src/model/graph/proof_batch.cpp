#include "model/graph/proof_batch.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>

#include "core/random.h"

namespace salf::model {
namespace {

constexpr std::int64_t kRows = 2;
constexpr std::int64_t kLength = 13;
constexpr std::int64_t kShortRow = 9;  // tokens of the padded row
constexpr std::uint64_t kIds = 32;     // every vocabulary has that many

}  // namespace

tensor::Batch proof_batch() {
  core::Random random(1, "proof batch");
  tensor::Batch batch;
  batch.ids = at::zeros({kRows, kLength}, at::kLong);
  batch.mask = at::zeros({kRows, kLength}, at::kLong);
  batch.labels = at::full({kRows, kLength}, tensor::kNoLabel, at::kLong);
  auto ids = batch.ids.accessor<std::int64_t, 2>();
  auto mask = batch.mask.accessor<std::int64_t, 2>();
  for (std::int64_t b = 0; b < kRows; ++b) {
    const std::int64_t length = b == 0 ? kShortRow : kLength;
    for (std::int64_t t = 0; t < length; ++t) {
      ids[b][t] = static_cast<std::int64_t>(random.below(kIds));
      mask[b][t] = 1;
    }
    batch.real_tokens += length;
  }
  return batch;
}

tensor::Batch first_row(const tensor::Batch& batch) {
  tensor::Batch row;
  row.ids = batch.ids.narrow(0, 0, 1).narrow(1, 0, kShortRow).contiguous();
  row.labels = batch.labels.narrow(0, 0, 1).narrow(1, 0, kShortRow).contiguous();
  row.real_tokens = kShortRow;
  return row;
}

}  // namespace salf::model
