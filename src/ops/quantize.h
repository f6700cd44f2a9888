// How is a weight matrix kept in fewer bits, to be multiplied in float32 later? Weight-only,
// rounded to the nearest.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace salf::ops {

enum class WeightFormat {
  kBFloat16,
  kInt8,  // symmetric, one scale a row: w ≈ s·q, q in −127 … 127
  kInt4,  // groups of 64 along the row, each with a scale and a minimum: w ≈ m + s·q, q in 0 … 15
};

struct QuantizedMatrix {
  WeightFormat format = WeightFormat::kBFloat16;
  std::int64_t rows = 0, columns = 0;
  at::Tensor codes;  // [rows, columns] bf16 or i8; int4: [rows, ⌈columns/2⌉] u8, the even column in
                     // the low half
  at::Tensor scales;    // int8: [rows] f32; int4: [rows, groups] f32
  at::Tensor minimums;  // int4: [rows, groups] f32

  std::int64_t bytes() const;
};

inline constexpr std::int64_t kInt4Group = 64;

// `matrix` [rows, columns] f32 on the CPU, finite. The last group of a row may be shorter.
QuantizedMatrix quantize(const at::Tensor& matrix, WeightFormat format);

// The same for products with inputs of these second moments: `moments` [columns, columns] f32, Σ x
// xᵀ. Columns are rounded one after another, and each one's error is made good by those not rounded
// yet, so that the product changes least (GPTQ; Frantar et al. 2023, arXiv 2210.17323, with a
// hundredth of the mean moment on the diagonal). Groups of int4 take the range with the least
// squared error. As without moments for bf16, and where they are zero or not finite.
QuantizedMatrix quantize(const at::Tensor& matrix, WeightFormat format, const at::Tensor& moments);

// Writes the matrix's values into `out` [rows, columns] f32, contiguous, on the CPU. On LibTorch's
// threads.
void dequantize_(const QuantizedMatrix& matrix, at::Tensor& out);

}  // namespace salf::ops
