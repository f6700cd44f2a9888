#include "calibration/semantic_basis.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cholesky_solve.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/linalg_cholesky_ex.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "core/clock.h"
#include "core/error.h"
#include "tensor/device.h"
#include "tensor/shapes.h"

namespace salf::calibration {
namespace {

constexpr double kRelativeRidge = 1e-6;           // of trace/D
constexpr std::int64_t kChunkElements = 1 << 22;  // 32 MiB as float64
constexpr std::int64_t kTrialRows = 2048;

std::int64_t rows_per_chunk(const at::Tensor& weight) {
  return std::max<std::int64_t>(1, kChunkElements / std::max<std::int64_t>(1, weight.size(1)));
}

// The number of the first `words` rows without two or more equal ones at their end.
std::int64_t without_equal_tail(const at::Tensor& weight, std::int64_t words) {
  const at::Tensor last = weight[words - 1];
  const std::int64_t chunk = rows_per_chunk(weight);
  std::int64_t begin = words;  // rows begin … words-1 are equal
  while (begin > 0) {
    const std::int64_t first = std::max<std::int64_t>(0, begin - chunk);
    const at::Tensor equal =
        weight.slice(0, first, begin).eq(last).all(1).to(at::kCPU);  // [n] bool
    const bool* flags = equal.const_data_ptr<bool>();
    std::int64_t i = begin - first;
    while (i > 0 && flags[i - 1]) --i;
    begin = first + i;
    if (i > 0) break;
  }
  return words - begin >= 2 ? begin : words;
}

// WᵀW over the rows `first` … `last`-1, on a device. [D, D] f64
at::Tensor gram_on(
    c10::Device device, const at::Tensor& weight, std::int64_t first, std::int64_t last) {
  const std::int64_t hidden = weight.size(1);
  at::Tensor gram = at::zeros({hidden, hidden}, at::TensorOptions(at::kDouble).device(device));
  const std::int64_t chunk = rows_per_chunk(weight);
  for (; first < last; first += chunk) {
    const at::Tensor rows =
        weight.slice(0, first, std::min(last, first + chunk)).to(device).to(at::kDouble);
    gram.addmm_(rows.t(), rows);
  }
  return gram;
}

double seconds_on(c10::Device device, const at::Tensor& rows) {
  gram_on(device, rows, 0, rows.size(0));  // loads libraries
  tensor::synchronize(rows.device());
  const core::Stopwatch watch;
  gram_on(device, rows, 0, rows.size(0));
  tensor::synchronize(rows.device());
  return watch.seconds();
}

// WᵀW over the first `words` rows, where products of f64 are faster: GPUs for graphics have few
// units for them. [D, D] f64 on the weight's device
at::Tensor gram_matrix(const at::Tensor& weight, std::int64_t words) {
  c10::Device device = weight.device();
  const at::Tensor few = weight.slice(0, 0, std::min(words, kTrialRows));
  if (!device.is_cpu() && seconds_on(c10::kCPU, few) < seconds_on(device, few)) device = c10::kCPU;
  return gram_on(device, weight, 0, words).to(weight.device());
}

at::Tensor shifted(const at::Tensor& gram, double shift) {
  return gram + shift * at::eye(gram.size(0), gram.options());
}

bool has_cholesky(const at::Tensor& symmetric) {
  return std::get<1>(at::linalg_cholesky_ex(symmetric)).item<int>() == 0;
}

}  // namespace

SemanticBasis::SemanticBasis(const at::Tensor& head_weight, std::int64_t vocabulary_limit)
    : weight_(head_weight.detach()) {
  tensor::check_shape(weight_, {tensor::kAny, tensor::kAny}, "head weight");
  words_ = without_equal_tail(weight_, std::min(weight_.size(0), vocabulary_limit));
  const at::Tensor gram = gram_matrix(weight_, words_);
  const double mean_eigenvalue = gram.trace().item<double>() / static_cast<double>(weight_.size(1));
  if (!std::isfinite(mean_eigenvalue) || mean_eigenvalue <= 0.0) {
    throw Error(ErrorKind::kBadModel,
        std::string("the head's weights ") +
            (mean_eigenvalue == 0.0 ? "are all zero or all rows are equal"
                                    : "hold NaN or infinity") +
            ": no semantic basis can be made of them; import the model again");
  }
  const double ridge = kRelativeRidge * mean_eigenvalue;
  ridge_ = has_cholesky(shifted(gram, -ridge)) ? 0.0 : ridge;
  factor_ = std::get<0>(at::linalg_cholesky_ex(shifted(gram, ridge_)));
}

at::Tensor SemanticBasis::solve(const at::Tensor& labels) const {
  tensor::check_shape(labels, {tensor::kAny}, "labels");
  const std::int64_t vocabulary = weight_.size(0);
  if (labels.numel() > 0 &&
      (labels.lt(0).any().item<bool>() || labels.ge(vocabulary).any().item<bool>())) {
    throw Error(ErrorKind::kBadModel,
        "a label lies outside the head's rows 0 … " + std::to_string(vocabulary - 1) +
            ": the tokenizer does not belong to this model; give the right one with --tokenizer");
  }
  const at::Tensor words =
      weight_.index_select(0, labels.to(weight_.device())).to(at::kDouble);  // [N, D]
  return at::cholesky_solve(words.t(), factor_).t();
}

at::Tensor SemanticBasis::rows(const at::Tensor& labels) const {
  return solve(labels).to(at::kFloat).contiguous();
}

at::Tensor SemanticBasis::unit_rows(const at::Tensor& labels, const at::Tensor& scale) const {
  at::Tensor rows = solve(labels);
  if (scale.defined()) rows = rows * scale;
  const at::Tensor length = rows.norm(2, {1}, /*keepdim=*/true).clamp_min(1e-300);
  return rows.div(length).to(at::kFloat).contiguous();
}

}  // namespace salf::calibration
