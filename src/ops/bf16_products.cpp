#include "ops/bf16_products.h"

#include <ATen/Parallel.h>
#include <ATen/native/CPUBlas.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "ops/row_kernels.h"
#include "ops/rows.h"

namespace salf::ops {
namespace {

constexpr std::int64_t kPanel = 64;    // columns of a panel
constexpr std::int64_t kRows = 128;    // of a tile
constexpr std::int64_t kDepth = 1024;  // of a tile: what it reads stays in the second-level cache
constexpr std::int64_t kTurned = 8;    // a factor this much wider than the other is not turned
constexpr std::int64_t kSide = 16;     // of what RowKernels::transpose turns

std::int64_t parts(std::int64_t whole, std::int64_t part) { return (whole + part - 1) / part; }

// A matrix of bfloat16 whose rows are `stride` elements apart.
struct Matrix {
  explicit Matrix(const at::Tensor& from)
      : tensor(from.stride(1) == 1 ? from : from.contiguous()),
        data(static_cast<const BFloat16Bits*>(tensor.const_data_ptr())), rows(tensor.size(0)),
        columns(tensor.size(1)), stride(tensor.stride(0)) {}

  const BFloat16Bits* row(std::int64_t i) const { return data + i * stride; }
  // Elements (i, k) and (i + 1, k); zero beyond the last row.
  std::uint32_t pair(std::int64_t i, std::int64_t k) const {
    const std::uint32_t high = i + 1 < rows ? row(i + 1)[k].bits : 0U;
    return row(i)[k].bits | (high << 16U);
  }

  at::Tensor tensor;
  const BFloat16Bits* data;
  std::int64_t rows, columns, stride;
};

std::uint32_t* words(const at::Tensor& data) {
  return reinterpret_cast<std::uint32_t*>(data.mutable_data_ptr<std::int32_t>());
}

// m [N, K] as [K, ⌈N/2⌉]: element (k, j) has the pair of rows 2 j.
void transpose_pairs(const Matrix& m, std::uint32_t* out) {
  const std::int64_t pairs = parts(m.rows, 2);
  const RowKernels& kernels = row_kernels();
  at::parallel_for(0, parts(pairs, kSide), 1, [&](std::int64_t begin, std::int64_t end) {
    std::uint32_t tile[kSide * kSide];
    for (std::int64_t first = begin * kSide; first < std::min(end * kSide, pairs); first += kSide) {
      const bool whole = 2 * (first + kSide) <= m.rows;
      std::int64_t k = 0;
      for (; whole && k + kSide <= m.columns; k += kSide) {
        for (std::int64_t j = 0; j < kSide; ++j) {
          const std::int64_t row = 2 * (first + j);
          kernels.pair(m.row(row) + k, m.row(row + 1) + k, kSide, tile + j * kSide);
        }
        kernels.transpose(tile, kSide, out + k * pairs + first, pairs);
      }
      for (; k < m.columns; ++k) {
        for (std::int64_t j = first; j < std::min(first + kSide, pairs); ++j)
          out[k * pairs + j] = m.pair(2 * j, k);
      }
    }
  });
}

// One panel of the transpose of b [N, K]: rows `first` … `first` + width - 1 of b as columns.
void transpose_panel(const Matrix& b, std::int64_t first, std::int64_t width, std::uint32_t* out) {
  const std::int64_t pairs = parts(b.columns, 2);
  std::int64_t row = 0;
  for (; row + kSide <= width; row += kSide) {
    const BFloat16Bits* const from = b.row(first + row);
    std::int64_t j = 0;
    // Two neighbours of a row are the pair.
    for (; 2 * (j + kSide) <= b.columns; j += kSide) {
      std::uint32_t tile[kSide * kSide];
      for (std::int64_t i = 0; i < kSide; ++i)
        std::memcpy(tile + i * kSide, from + i * b.stride + 2 * j, kSide * sizeof(std::uint32_t));
      row_kernels().transpose(tile, kSide, out + j * width + row, width);
    }
    for (; j < pairs; ++j) {
      for (std::int64_t i = 0; i < kSide; ++i) {
        const BFloat16Bits* const at = from + i * b.stride + 2 * j;
        const std::uint32_t high = 2 * j + 1 < b.columns ? at[1].bits : 0U;
        out[j * width + row + i] = at[0].bits | (high << 16U);
      }
    }
  }
  for (; row < width; ++row) {
    for (std::int64_t j = 0; j < pairs; ++j) {
      const BFloat16Bits* const at = b.row(first + row) + 2 * j;
      const std::uint32_t high = 2 * j + 1 < b.columns ? at[1].bits : 0U;
      out[j * width + row] = at[0].bits | (high << 16U);
    }
  }
}

// The right factor B [K, N] of a product in the order in which the kernels read it: panels of
// kPanel columns, and in a panel pairs of rows, column by column.
struct Panels {
  at::Tensor data;                    // i32
  std::int64_t depth = 0, width = 0;  // K, N
};

Panels empty_panels(std::int64_t depth, std::int64_t width) {
  return {at::empty({parts(depth, 2) * width}, at::kInt), depth, width};
}

// Where a panel begins.
std::int64_t panel_offset(const Panels& b, std::int64_t panel) {
  return panel * kPanel * parts(b.depth, 2);
}

// Of `b` [K, N].
Panels panels_of(const at::Tensor& b) {
  const Matrix from(b);
  Panels made = empty_panels(from.rows, from.columns);
  std::uint32_t* const out = words(made.data);
  const std::vector<BFloat16Bits> zeros(static_cast<std::size_t>(from.columns));
  at::parallel_for(0, parts(from.rows, 2), kSide, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t j = begin; j < end; ++j) {
      const BFloat16Bits* const odd = 2 * j + 1 < from.rows ? from.row(2 * j + 1) : zeros.data();
      for (std::int64_t first = 0; first < from.columns; first += kPanel) {
        const std::int64_t width = std::min(kPanel, from.columns - first);
        row_kernels().pair(from.row(2 * j) + first, odd + first, width,
            out + panel_offset(made, first / kPanel) + j * width);
      }
    }
  });
  return made;
}

// Of the transpose of `b` [N, K].
Panels panels_of_transposed(const at::Tensor& b) {
  const Matrix from(b);
  Panels made = empty_panels(from.columns, from.rows);
  std::uint32_t* const out = words(made.data);
  at::parallel_for(0, parts(from.rows, kPanel), 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t panel = begin; panel < end; ++panel) {
      const std::int64_t first = panel * kPanel;
      transpose_panel(
          from, first, std::min(kPanel, from.rows - first), out + panel_offset(made, panel));
    }
  });
  return made;
}

at::Tensor even_columns(const at::Tensor& a) {
  if (a.size(1) % 2 == 0) return a;
  const at::Tensor padded = at::empty({a.size(0), a.size(1) + 1}, a.options());
  padded.narrow(1, 0, a.size(1)).copy_(a);
  padded.select(1, a.size(1)).zero_();
  return padded;
}

// out = a · B, or out + a · B. `a` [M, K] bf16, `out` [M, N] f32, contiguous
void multiply_(const at::Tensor& out, const at::Tensor& a, const Panels& b, bool add) {
  const Matrix from(even_columns(a));
  const auto* const rows = reinterpret_cast<const at::BFloat16*>(from.data);
  const auto* const panels = reinterpret_cast<const at::BFloat16*>(words(b.data));
  float* const to = out.mutable_data_ptr<float>();
  const std::int64_t depth = from.columns;
  const std::int64_t tiles = parts(from.rows, kRows);
  at::parallel_for(0, parts(b.width, kPanel) * tiles, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t task = begin; task < end; ++task) {
      const std::int64_t panel = task / tiles;
      const std::int64_t row = task % tiles * kRows;
      const std::int64_t width = std::min(kPanel, b.width - panel * kPanel);
      for (std::int64_t k = 0; k < depth; k += kDepth) {
        at::native::cpublas::brgemm(std::min(kRows, from.rows - row), width,
            std::min(kDepth, depth - k), from.stride, width, b.width, /*add_C=*/add || k > 0,
            rows + row * from.stride + k, panels + 2 * panel_offset(b, panel) + k * width,
            to + row * b.width + panel * kPanel, /*is_vnni=*/true);
      }
    }
    at::native::cpublas::brgemm_release();
  });
}

// dyᵀ x with dy turned; added to `sum` where it is defined.
at::Tensor gradient_by_turning(
    const at::Tensor& dy, const at::Tensor& x, const at::Tensor& sum = {}) {
  const Matrix slopes(dy);
  const at::Tensor turned = at::empty({slopes.columns, parts(slopes.rows, 2)}, at::kInt);
  transpose_pairs(slopes, words(turned));
  const at::Tensor out = sum.defined() ? sum : at::empty({dy.size(1), x.size(1)}, at::kFloat);
  multiply_(out, turned.view(at::kBFloat16), panels_of(x), sum.defined());
  return out;
}

}  // namespace

bool has_bf16_products() {
  static const bool has = __builtin_cpu_supports("avx512bf16") != 0;  // AMX comes with it
  return has;
}

WideFactor::WideFactor(const at::Tensor& weight) : weight_(weight) {
  if (weight.device().is_cpu() && has_bf16_products()) panels_ = panels_of_transposed(weight).data;
}

at::Tensor WideFactor::times(const at::Tensor& x) const {
  if (!panels_.defined() || x.numel() == 0) return at::linear(x, weight_).to(at::kFloat);
  const at::Tensor y = at::empty({x.size(0), weight_.size(0)}, at::kFloat);
  multiply_(y, x, {panels_, weight_.size(1), weight_.size(0)}, false);
  return y;
}

at::Tensor weight_gradient(const at::Tensor& dy, const at::Tensor& x, const at::Tensor& sum) {
  if (!dy.device().is_cpu() || !has_bf16_products()) {
    const at::Tensor made = at::linear(dy.t(), x.t()).to(at::kFloat);
    return sum.defined() ? sum.add_(made) : made;
  }
  if (x.size(0) == 0) return sum.defined() ? sum : at::zeros({dy.size(1), x.size(1)}, at::kFloat);
  // Of a branch of low rank, the narrow factor is turned.
  if (sum.defined() || dy.size(1) <= kTurned * x.size(1)) return gradient_by_turning(dy, x, sum);
  return gradient_by_turning(x, dy).t().contiguous();
}

}  // namespace salf::ops
