#include <ATen/ops/tensor.h>

#include <algorithm>

#include "calibration/sums.h"

namespace salf::calibration {
namespace {

constexpr std::int64_t kBefore = 6;  // positions shown before the first with loss
constexpr std::int64_t kPositions = 32;

struct Window {
  std::int64_t first = 0, end = 0;
};

Window window_of(const data::Document& document) {
  const auto supervised = std::find_if(document.labels.begin(), document.labels.end(),
      [](std::int64_t label) { return label != tensor::kNoLabel; });
  const std::int64_t place = supervised - document.labels.begin();
  Window window;
  window.first = std::max<std::int64_t>(0, place - kBefore);
  window.end = std::min(static_cast<std::int64_t>(document.ids.size()), window.first + kPositions);
  return window;
}

BatchPositions positions_within(const data::Document& document, const Window& window) {
  std::vector<std::int64_t> index, labels;
  for (std::int64_t t = window.first; t < window.end; ++t) {
    if (document.labels[static_cast<std::size_t>(t)] == tensor::kNoLabel) continue;
    index.push_back(t);
    labels.push_back(document.labels[static_cast<std::size_t>(t)]);
  }
  BatchPositions positions;
  positions.index = at::tensor(index, at::kLong);
  positions.labels = at::tensor(labels, at::kLong);
  positions.row.assign(index.size(), 0);
  return positions;
}

}  // namespace

types::TokenMap token_map(const model::GraphCut& graph, const DeviationMeter& meter,
    const data::Dataset& dataset, std::int64_t document, std::int64_t padding_id,
    const std::function<std::string(std::int64_t)>& text) {
  const data::Document& row = dataset.documents[static_cast<std::size_t>(document)];
  const Window window = window_of(row);
  const auto width = static_cast<std::size_t>(window.end - window.first);
  types::TokenMap map;
  map.line = row.line;
  for (std::int64_t t = window.first; t < window.end; ++t) {
    const auto place = static_cast<std::size_t>(t);
    map.tokens.push_back(text(row.ids[place]));
    map.labels.push_back(row.labels[place] == tensor::kNoLabel ? "" : text(row.labels[place]));
  }
  const BatchPositions positions = positions_within(row, window);
  if (positions.row.empty()) return map;  // not shown
  const data::Batcher alone(
      dataset, {document}, {static_cast<std::int64_t>(row.ids.size()), 0}, padding_id);
  const model::Spaces spaces = graph.tap(alone.make(alone.in_order().front()));
  const at::Tensor deviations = meter.cosine(spaces, positions);  // [L+1, N]
  const at::Tensor nearest = meter.nearest(spaces, positions);    // [L+1, N]
  for (std::int64_t space = 0; space < deviations.size(0); ++space) {
    std::vector<double> values(width, -1.0);
    std::vector<std::string> names(width);
    for (std::int64_t i = 0; i < deviations.size(1); ++i) {
      const auto place =
          static_cast<std::size_t>(positions.index[i].item<std::int64_t>() - window.first);
      values[place] = deviations[space][i].item<double>();
      names[place] = text(nearest[space][i].item<std::int64_t>());
    }
    map.deviation.push_back(std::move(values));
    map.nearest.push_back(std::move(names));
  }
  return map;
}

}  // namespace salf::calibration
