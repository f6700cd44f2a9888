#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cholesky_inverse.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/linalg_cholesky_ex.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "ops/quantize.h"
#include "ops/rows.h"

namespace salf::ops {
namespace {

constexpr double kDamping = 0.01;
constexpr float kTiny = 1e-30F;  // instead of a scale of zero: all its codes are 0 then

// Values are offset + scale · code, code from `low` to `high`.
struct Grid {
  float scale = 0.0F, offset = 0.0F, low = 0.0F, high = 0.0F;

  float code(float value) const {
    return std::clamp(std::nearbyint((value - offset) / scale), low, high);
  }
  float value(float code) const { return code * scale + offset; }
};

Grid int8_grid(const float* row, std::int64_t columns) {
  float largest = 0.0F;
  for (std::int64_t i = 0; i < columns; ++i) largest = std::max(largest, std::abs(row[i]));
  return {std::max(largest / 127.0F, kTiny), 0.0F, -127.0F, 127.0F};
}

// Of a group: the range about its middle, all of it to three fifths, with the least squared error.
Grid int4_grid(const float* values, std::int64_t count) {
  constexpr int kSteps = 14;
  constexpr float kShrink = 0.03F;
  const auto [low, high] = std::minmax_element(values, values + count);
  const float middle = (*low + *high) / 2.0F, half = (*high - *low) / 2.0F;
  Grid best;
  float least = std::numeric_limits<float>::infinity();
  for (int step = 0; step < kSteps; ++step) {
    const float reach = half * (1.0F - kShrink * static_cast<float>(step));
    const Grid grid{std::max(reach / 7.5F, kTiny), middle - reach, 0.0F, 15.0F};
    float error = 0.0F;
    for (std::int64_t i = 0; i < count; ++i) {
      const float difference = grid.value(grid.code(values[i])) - values[i];
      error += difference * difference;
    }
    if (step > 0 && !(error < least)) continue;
    best = grid;
    least = error;
  }
  return best;
}

// The upper factor U of the moments' inverse, UᵀU; undefined where there is none.
at::Tensor error_factor(const at::Tensor& moments) {
  at::Tensor sums = moments.to(at::kDouble);
  const double mean = sums.diagonal().mean().item<double>();
  if (!(mean > 0.0) || !sums.isfinite().all().item<bool>()) return {};
  sums = sums / mean + kDamping * at::eye(sums.size(0), sums.options());
  const auto [lower, failed] = at::linalg_cholesky_ex(sums);
  if (failed.item<int>() != 0) return {};
  const auto [upper, failed_again] =
      at::linalg_cholesky_ex(at::cholesky_inverse(lower), /*upper=*/true);
  return failed_again.item<int>() != 0 ? at::Tensor() : upper.to(at::kFloat).contiguous();
}

// A group's part of the factor: element (i, j) is at [i · stride + j].
struct FactorPart {
  const float* data = nullptr;
  std::int64_t stride = 0;
};

// Turns values of one row into codes; `errors` receives what is left of each, over its own factor.
void round_row_(
    float* values, std::int64_t count, const FactorPart& factor, const Grid& grid, float* errors) {
  for (std::int64_t i = 0; i < count; ++i) {
    const float* const line = factor.data + i * factor.stride;
    const float code = grid.code(values[i]);
    const float error = (values[i] - grid.value(code)) / line[i];
    values[i] = code;
    errors[i] = error;
    for (std::int64_t j = i + 1; j < count; ++j) values[j] -= line[j] * error;
  }
}

// [rows, columns] of 0 … 15 → [rows, ⌈columns/2⌉], the even column in the low half.
at::Tensor packed_pairs(const at::Tensor& codes) {
  const at::Tensor even = codes.slice(1, 0, codes.size(1), 2);
  at::Tensor packed = even.clone();
  const at::Tensor odd = codes.slice(1, 1, codes.size(1), 2);
  packed.narrow(1, 0, odd.size(1)).add_(odd * 16);
  return packed.contiguous();
}

}  // namespace

QuantizedMatrix quantize(const at::Tensor& matrix, WeightFormat format, const at::Tensor& moments) {
  const at::NoGradGuard quiet;
  const at::Tensor factor =
      format == WeightFormat::kBFloat16 ? at::Tensor() : error_factor(moments);
  if (!factor.defined()) return quantize(matrix, format);
  QuantizedMatrix made{format, matrix.size(0), matrix.size(1), {}, {}, {}};
  const bool int8 = format == WeightFormat::kInt8;
  const std::int64_t columns = made.columns, groups = (columns + kInt4Group - 1) / kInt4Group;
  at::Tensor left = matrix.detach().contiguous().clone();  // becomes codes, group after group
  made.scales = at::empty({made.rows, int8 ? 1 : groups}, left.options());
  made.minimums = at::empty_like(made.scales);
  const std::int64_t width = made.scales.size(1);
  auto* const values = left.mutable_data_ptr<float>();
  auto* const scales = made.scales.mutable_data_ptr<float>();
  auto* const offsets = made.minimums.mutable_data_ptr<float>();
  if (int8) {
    for (std::int64_t row = 0; row < made.rows; ++row)
      scales[row] = int8_grid(values + row * columns, columns).scale;
  }
  for (std::int64_t first = 0; first < columns; first += kInt4Group) {
    const std::int64_t count = std::min(kInt4Group, columns - first),
                       rest = columns - first - count;
    at::Tensor errors = at::empty({made.rows, count}, left.options());
    auto* const left_over = errors.mutable_data_ptr<float>();
    const FactorPart part{factor.const_data_ptr<float>() + first * columns + first, columns};
    for_rows(made.rows, count * count, [&](std::int64_t row) {
      float* const group = values + row * columns + first;
      const Grid grid = int8 ? Grid{scales[row], 0.0F, -127.0F, 127.0F} : int4_grid(group, count);
      round_row_(group, count, part, grid, left_over + row * count);
      if (int8) return;
      scales[row * width + first / kInt4Group] = grid.scale;
      offsets[row * width + first / kInt4Group] = grid.offset;
    });
    if (rest > 0)
      left.narrow(1, first + count, rest)
          .addmm_(errors, factor.narrow(0, first, count).narrow(1, first + count, rest), 1, -1);
  }
  if (int8) {
    made.codes = left.to(at::kChar);
    made.scales = made.scales.flatten();
    made.minimums = at::Tensor();
  } else {
    made.codes = packed_pairs(left.to(at::kByte));
  }
  return made;
}

}  // namespace salf::ops
