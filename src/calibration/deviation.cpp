#include "calibration/deviation.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/_log_softmax.h>
#include <ATen/ops/_unique.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>

#include "core/error.h"
#include "core/random.h"
#include "tensor/shapes.h"

namespace salf::calibration {
namespace {

using Norming = std::function<at::Tensor(const at::Tensor&)>;

// A vector of mean 0 and mean square 1. [D] f64
at::Tensor standardised(const at::Tensor& vector) {
  const at::Tensor centred = vector - vector.mean();
  return centred / centred.square().mean().sqrt();
}

// Half the difference of the norm's results for a vector and its opposite: γ⊙vector without β. The
// vector is so long that the norm's ε does not show.
at::Tensor odd_part(
    const Norming& norm, const at::Tensor& vector, const at::TensorOptions& options) {
  const at::Tensor sample =
      (vector * 1e3).to(options.device(), at::typeMetaToScalarType(options.dtype()));
  const at::Tensor answers =
      norm(at::stack({sample, -sample})).to(at::kCPU, at::kDouble);  // [2, D]
  return (answers[0] - answers[1]) / 2.0;
}

[[noreturn]] void throw_not_finite(const std::string& what, std::int64_t space) {
  throw Error(ErrorKind::kBadModel,
      what + " at space " + std::to_string(space) +
          (space == 0 ? " (the embedding's output)" : "") +
          " is NaN or infinite: the model's weights are damaged or its type is too narrow; "
          "try --dtype f32, or import the model again");
}

// Throws for the first row of values [L+1, n] that holds something else than finite numbers.
void check_finite(const at::Tensor& values, const std::string& what) {
  const at::Tensor finite = at::isfinite(values).all(1);
  for (std::int64_t space = 0; space < finite.size(0); ++space) {
    if (!finite[space].item<bool>()) throw_not_finite(what, space);
  }
}

at::Tensor gather_states(const at::Tensor& hidden, const at::Tensor& index) {
  return hidden.reshape({-1, hidden.size(-1)}).index_select(0, index);
}

}  // namespace

BatchPositions select_positions(
    const tensor::Batch& batch, Positions positions, const LossSample& sample) {
  const at::Tensor label_tensor = batch.labels.contiguous();
  const at::Tensor document_tensor = batch.documents.contiguous();
  const std::int64_t* labels = label_tensor.const_data_ptr<std::int64_t>();
  const std::int64_t* documents = document_tensor.const_data_ptr<std::int64_t>();
  std::vector<std::int64_t> index;
  std::vector<std::int64_t> chosen;
  BatchPositions result;
  for (std::int64_t b = 0; b < batch.rows(); ++b) {
    core::Random draws(
        sample.seed, "loss-positions/" + std::to_string(documents[b * batch.length()]));
    for (std::int64_t t = 0; t < batch.length(); ++t) {
      const bool drawn = draws.uniform() < sample.share;
      const std::int64_t flat = b * batch.length() + t;
      if (labels[flat] == tensor::kNoLabel) continue;
      if (positions == Positions::kLast ? sample.share > 0.0 : drawn) {
        result.sampled.push_back(static_cast<std::int64_t>(index.size()));
      }
      index.push_back(flat);
      chosen.push_back(labels[flat]);
      result.row.push_back(b);
      if (positions == Positions::kLast) break;
    }
  }
  result.index = at::tensor(index, at::kLong);
  result.labels = at::tensor(chosen, at::kLong);
  return result;
}

at::Tensor cosine_deviation(const at::Tensor& state, const at::Tensor& unit_basis) {
  tensor::check_shape(
      state, {unit_basis.size(0), unit_basis.size(1)}, "states to compare with the basis");
  const at::Tensor values = state.to(at::kFloat);
  const at::Tensor length = values.norm(2, {1}).clamp_min(1e-30);  // [N]
  return 1.0 - values.mul(unit_basis).sum(1).div(length);
}

at::Tensor loss_deviation(const at::Tensor& state, const at::Tensor& labels,
    const model::Head& head, std::int64_t vocabulary, std::int64_t max_logits) {
  tensor::check_shape(labels, {state.size(0)}, "labels of the states");
  const std::int64_t chunk =
      std::max<std::int64_t>(1, max_logits / std::max<std::int64_t>(1, vocabulary));
  std::vector<at::Tensor> losses;
  for (std::int64_t first = 0; first < state.size(0); first += chunk) {
    const std::int64_t end = std::min(state.size(0), first + chunk);
    const at::Tensor logits = head(state.slice(0, first, end)).to(at::kFloat);  // [n, V]
    const at::Tensor label = labels.slice(0, first, end).unsqueeze(1);          // [n, 1]
    losses.push_back(at::_log_softmax(logits, 1, false).gather(1, label).squeeze(1).neg());
  }
  return losses.empty() ? at::empty({0}, state.options().dtype(at::kFloat)) : at::cat(losses);
}

at::Tensor norm_scale(const Norming& norm, std::int64_t hidden, const at::TensorOptions& options) {
  const at::Tensor angle = at::arange(hidden, at::kDouble) + 0.7;
  const at::Tensor sample =
      at::stack({standardised(angle.sin()), standardised(angle.cos())});  // [2, D]
  const at::Tensor answer =
      at::stack({odd_part(norm, sample[0], options), odd_part(norm, sample[1], options)});
  const at::Tensor scale =
      (answer * sample).sum(0) / sample.square().sum(0);  // least squares, element by element
  const double misfit = (answer - scale * sample).abs().max().item<double>();
  const double largest = scale.abs().max().item<double>();
  if (!(largest > 0.0) || !(misfit <= 0.02 * largest)) {  // rounding to bfloat16 is below 0.01
    throw Error(ErrorKind::kBadModel,
        "--norm none needs a final norm that normalises and then scales, and this model has "
        "another; use --norm final");
  }
  return scale.to(options.device());
}

DeviationMeter::DeviationMeter(const model::GraphCut& graph, const SemanticBasis& basis, Norm norm)
    : graph_(graph), head_(graph.head()), basis_(basis), norm_(norm) {
  if (norm_ == Norm::kFinal) return;
  const at::TensorOptions options = graph.head_weight().detach().options();
  scale_ = norm_scale(
      [&graph](const at::Tensor& h) { return graph.final_norm(h); }, graph.map().hidden, options);
  const at::Tensor tiny = scale_.abs().le(1e-6 * scale_.abs().max());
  inverse_scale_ = at::where(tiny, at::zeros_like(scale_), scale_.reciprocal());
}

at::Tensor DeviationMeter::normed(const at::Tensor& state) const {
  return norm_ == Norm::kFinal ? graph_.final_norm(state) : state;
}

at::Tensor DeviationMeter::for_head(const at::Tensor& state) const {
  return norm_ == Norm::kFinal ? graph_.final_norm(state) : state * scale_.to(state.scalar_type());
}

at::Tensor DeviationMeter::cosine(
    const model::Spaces& spaces, const BatchPositions& positions) const {
  const c10::Device device = spaces.hidden.front().device();
  const at::Tensor index = positions.index.to(device);
  const at::Tensor unit = basis_.unit_rows(positions.labels, inverse_scale_).to(device);
  // One space at a time: its states stay in the processor's cache from the gather to the cosine.
  std::vector<at::Tensor> deviations;
  for (const at::Tensor& hidden : spaces.hidden) {
    deviations.push_back(cosine_deviation(normed(gather_states(hidden, index)), unit));
  }
  at::Tensor result = at::stack(deviations).to(at::kCPU).to(at::kDouble);
  check_finite(result, "a hidden state");
  return result;
}

at::Tensor DeviationMeter::head_loss(const at::Tensor& states, const at::Tensor& labels) const {
  return loss_deviation(states, labels, head_, graph_.map().vocabulary);
}

at::Tensor DeviationMeter::loss(
    const model::Spaces& spaces, const BatchPositions& positions) const {
  const c10::Device device = spaces.hidden.front().device();
  const auto number_of_spaces = static_cast<std::int64_t>(spaces.hidden.size());
  const at::Tensor sampled = at::tensor(positions.sampled, at::kLong);
  const at::Tensor index = positions.index.index_select(0, sampled).to(device);
  const at::Tensor labels = positions.labels.index_select(0, sampled).to(device);
  std::vector<at::Tensor> states;
  for (const at::Tensor& hidden : spaces.hidden)
    states.push_back(for_head(gather_states(hidden, index)));
  const at::Tensor losses = head_loss(at::cat(states), labels.repeat({number_of_spaces}));
  at::Tensor result =
      losses.reshape({number_of_spaces, sampled.numel()}).to(at::kCPU).to(at::kDouble);
  check_finite(result, "the loss");
  return result;
}

at::Tensor DeviationMeter::model_loss(
    const model::Spaces& spaces, const BatchPositions& positions) const {
  const c10::Device device = spaces.final_state.device();
  const at::Tensor states = gather_states(spaces.final_state, positions.index.to(device));
  at::Tensor result =
      head_loss(states, positions.labels.to(device)).unsqueeze(0).to(at::kCPU).to(at::kDouble);
  if (!at::isfinite(result).all().item<bool>()) throw_not_finite("the loss", graph_.map().blocks);
  return result;
}

at::Tensor DeviationMeter::nearest(
    const model::Spaces& spaces, const BatchPositions& positions) const {
  constexpr std::int64_t kLikeliest = 16;
  const c10::Device device = spaces.hidden.front().device();
  const at::Tensor index = positions.index.to(device);
  std::vector<at::Tensor> ids;
  for (const at::Tensor& hidden : spaces.hidden) {
    const at::Tensor logits = head_(for_head(gather_states(hidden, index)));
    const std::int64_t words = std::min(basis_.words(), logits.size(1));
    const at::Tensor real = logits.slice(1, 0, words);  // padded rows are no words
    const at::Tensor likeliest =
        std::get<1>(real.topk(std::min(kLikeliest, words), 1)).to(at::kCPU);
    const at::Tensor candidates =
        std::get<0>(at::_unique(at::cat({likeliest.flatten(), positions.labels})));
    const at::Tensor unit = basis_.unit_rows(candidates, inverse_scale_).to(device);
    const at::Tensor cosines = normed(gather_states(hidden, index))
                                   .to(at::kFloat)
                                   .matmul(unit.t());  // lengths do not rank
    ids.push_back(candidates.index_select(0, cosines.argmax(1).to(at::kCPU)));
  }
  return at::stack(ids);
}

}  // namespace salf::calibration
