// Weight matrices in fewer bits, multiplied in float32 later. Inputs are not quantised.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

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
  // [rows, columns] bf16 or i8; int4: [rows, ⌈columns/2⌉] u8, the even column in the low half.
  at::Tensor codes;
  at::Tensor scales;    // int8: [rows] f32; int4: [rows, groups] f32
  at::Tensor minimums;  // int4: [rows, groups] f32

  std::int64_t bytes() const;
  QuantizedMatrix on(c10::Device device) const;
};

inline constexpr std::int64_t kInt4Group = 64;

// Rounds to the nearest code. `matrix` [rows, columns] f32, CPU, finite. A last group may be short.
QuantizedMatrix quantize(const at::Tensor& matrix, WeightFormat format);

// The same with the least change of products with inputs of these second moments: `moments`
// [columns, columns] f32, Σ x xᵀ. Columns are rounded in order, and later columns make each error
// good (GPTQ; Frantar et al. 2023, arXiv 2210.17323, with 1 % of the mean moment on the diagonal).
// int4 groups take the range with the least squared error. Moments have no effect for bf16, and
// where they are zero or not finite.
QuantizedMatrix quantize(const at::Tensor& matrix, WeightFormat format, const at::Tensor& moments);

// Writes the values into `out` [rows, columns] f32, contiguous and where the codes are: on the CPU
// with LibTorch's threads, on a GPU in the order of its stream.
void dequantize_(const QuantizedMatrix& matrix, at::Tensor& out);

}  // namespace salf::ops
