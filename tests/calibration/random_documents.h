// Documents for the tests of calibration.
#pragma once

#include <cstdint>

#include "core/random.h"
#include "data/rows/dataset.h"
#include "tensor/batch.h"

namespace salf::calibration {

// Of `shortest` to `shortest` + 11 random tokens out of `kinds` from `first` on, the first third of
// each without loss; all in the train split.
inline data::Dataset random_documents(
    std::int64_t count, std::int64_t first, std::uint64_t kinds, std::uint64_t shortest) {
  core::Random random(5, "documents");
  const auto token = [&] { return first + static_cast<std::int64_t>(random.below(kinds)); };
  data::Dataset dataset;
  for (std::int64_t d = 0; d < count; ++d) {
    data::Document document;
    const std::uint64_t length = shortest + random.below(12);
    for (std::uint64_t t = 0; t < length; ++t) {
      document.ids.push_back(token());
      document.labels.push_back(t < length / 3 ? tensor::kNoLabel : token());
    }
    dataset.documents.push_back(document);
    dataset.splits.push_back(data::Split::kTrain);
  }
  return dataset;
}

}  // namespace salf::calibration
