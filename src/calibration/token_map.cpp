#include <ATen/ops/tensor.h>

#include <algorithm>

#include "calibration/sums.h"

namespace salf::calibration {
namespace {

constexpr std::int64_t kBefore = 6;  // positions shown before the first with loss
constexpr std::int64_t kPositions = 32;

}  // namespace

types::TokenMap token_map(const model::GraphCut& graph, const DeviationMeter& meter,
    const data::Dataset& dataset, std::int64_t document, std::int64_t padding_id,
    const std::function<std::string(std::int64_t)>& text) {
  const data::Document& row = dataset.documents[static_cast<std::size_t>(document)];
  const std::int64_t supervised =
      std::find_if(row.labels.begin(), row.labels.end(),
          [](std::int64_t label) { return label != tensor::kNoLabel; }) -
      row.labels.begin();
  const std::int64_t first = std::max<std::int64_t>(0, supervised - kBefore);
  const std::int64_t end = std::min(static_cast<std::int64_t>(row.ids.size()), first + kPositions);
  types::TokenMap map;
  map.line = row.line;
  std::vector<std::int64_t> index, labels;  // of the positions with loss
  for (std::int64_t t = first; t < end; ++t) {
    const std::int64_t label = row.labels[static_cast<std::size_t>(t)];
    map.tokens.push_back(text(row.ids[static_cast<std::size_t>(t)]));
    map.labels.push_back(label == tensor::kNoLabel ? "" : text(label));
    if (label == tensor::kNoLabel) continue;
    index.push_back(t);
    labels.push_back(label);
  }
  if (index.empty()) return map;  // not shown
  const BatchPositions positions{at::tensor(index, at::kLong), at::tensor(labels, at::kLong),
      std::vector<std::int64_t>(index.size(), 0), {}};
  const data::Batcher alone(
      dataset, {document}, {static_cast<std::int64_t>(row.ids.size()), 0}, padding_id);
  const model::Spaces spaces = graph.tap(alone.make(alone.in_order().front()));
  const at::Tensor deviations = meter.cosine(spaces, positions);  // [L+1, N]
  const at::Tensor nearest = meter.nearest(spaces, positions);    // [L+1, N]
  for (std::int64_t space = 0; space < deviations.size(0); ++space) {
    std::vector<double> values(map.tokens.size(), -1.0);
    std::vector<std::string> names(map.tokens.size());
    for (std::size_t i = 0; i < index.size(); ++i) {
      const auto place = static_cast<std::size_t>(index[i] - first);
      const auto column = static_cast<std::int64_t>(i);
      values[place] = deviations[space][column].item<double>();
      names[place] = text(nearest[space][column].item<std::int64_t>());
    }
    map.deviation.push_back(std::move(values));
    map.nearest.push_back(std::move(names));
  }
  return map;
}

}  // namespace salf::calibration
