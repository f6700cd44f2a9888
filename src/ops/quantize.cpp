#include "ops/quantize.h"

#include <ATen/ops/bitwise_and.h>
#include <ATen/ops/bitwise_right_shift.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/stack.h>

#include <algorithm>
#include <cmath>

#include "ops/rows.h"

namespace salf::ops {
namespace {

constexpr float kLargestInt8 = 127.0F;
constexpr float kLargestInt4 = 15.0F;

std::int64_t groups_of(std::int64_t columns) { return (columns + kInt4Group - 1) / kInt4Group; }

void quantize_row_int8(const float* row, std::int64_t columns, std::int8_t* codes, float& scale) {
  float largest = 0.0F;
  for (std::int64_t i = 0; i < columns; ++i) largest = std::max(largest, std::abs(row[i]));
  scale = largest / kLargestInt8;
  const float inverse = scale > 0.0F ? 1.0F / scale : 0.0F;
  for (std::int64_t i = 0; i < columns; ++i) {
    const float code = std::nearbyint(row[i] * inverse);
    codes[i] = static_cast<std::int8_t>(std::clamp(code, -kLargestInt8, kLargestInt8));
  }
}

// The row's codes were set to zero.
void quantize_row_int4(
    const float* row, std::int64_t columns, std::uint8_t* codes, float* scales, float* minimums) {
  for (std::int64_t first = 0; first < columns; first += kInt4Group) {
    const std::int64_t last = std::min(columns, first + kInt4Group);
    const auto [low, high] = std::minmax_element(row + first, row + last);
    const float scale = (*high - *low) / kLargestInt4;
    const float inverse = scale > 0.0F ? 1.0F / scale : 0.0F;
    *scales++ = scale;
    *minimums++ = *low;
    for (std::int64_t i = first; i < last; ++i) {
      const float code = std::clamp(std::nearbyint((row[i] - *low) * inverse), 0.0F, kLargestInt4);
      const int shift = i % 2 == 0 ? 0 : 4;
      codes[i / 2] =
          static_cast<std::uint8_t>(codes[i / 2] | (static_cast<unsigned>(code) << shift));
    }
  }
}

void dequantize_row_int8(const std::int8_t* codes, float scale, std::int64_t columns, float* row) {
  for (std::int64_t i = 0; i < columns; ++i) row[i] = scale * static_cast<float>(codes[i]);
}

void dequantize_row_int4(const std::uint8_t* codes, const float* scales, const float* minimums,
    std::int64_t columns, float* row) {
  for (std::int64_t first = 0; first < columns; first += kInt4Group) {
    const std::int64_t pairs = std::min(kInt4Group, columns - first) / 2;
    const float scale = *scales++;
    const float minimum = *minimums++;
    const std::uint8_t* group = codes + first / 2;
    float* out = row + first;
    for (std::int64_t i = 0; i < pairs; ++i) {
      out[2 * i] = minimum + scale * static_cast<float>(group[i] & 15U);
      out[2 * i + 1] = minimum + scale * static_cast<float>(group[i] >> 4U);
    }
    if (2 * pairs < std::min(kInt4Group, columns - first)) {
      out[2 * pairs] = minimum + scale * static_cast<float>(group[pairs] & 15U);
    }
  }
}

// wide [rows, n·64] or [rows, n < 64] becomes minimum + scale · wide, group by group.
void stretch_groups_(at::Tensor wide, const at::Tensor& scales, const at::Tensor& minimums) {
  const std::int64_t groups = scales.size(1);
  wide = wide.unflatten(1, {groups, wide.size(1) / groups});
  wide.mul_(scales.unsqueeze(2)).add_(minimums.unsqueeze(2));
}

// Two codes a byte, the even column in the low half.
void unpack_int4_(const QuantizedMatrix& matrix, const at::Tensor& wide) {
  const at::Tensor halves =
      at::stack({at::bitwise_and(matrix.codes, 15), at::bitwise_right_shift(matrix.codes, 4)}, 2);
  wide.copy_(halves.flatten(1).narrow(1, 0, matrix.columns));
  const std::int64_t whole = matrix.columns / kInt4Group;
  const std::int64_t rest = matrix.columns % kInt4Group;
  if (whole > 0) {
    stretch_groups_(wide.narrow(1, 0, whole * kInt4Group), matrix.scales.narrow(1, 0, whole),
        matrix.minimums.narrow(1, 0, whole));
  }
  if (rest > 0) {
    stretch_groups_(wide.narrow(1, whole * kInt4Group, rest), matrix.scales.narrow(1, whole, 1),
        matrix.minimums.narrow(1, whole, 1));
  }
}

void dequantize_by_aten_(const QuantizedMatrix& matrix, const at::Tensor& out) {
  if (matrix.format == WeightFormat::kInt8) {
    out.copy_(matrix.codes).mul_(matrix.scales.unsqueeze(1));
  } else {
    unpack_int4_(matrix, out);
  }
}

}  // namespace

std::int64_t QuantizedMatrix::bytes() const {
  std::int64_t sum = 0;
  for (const at::Tensor* tensor : {&codes, &scales, &minimums}) {
    if (tensor->defined()) sum += static_cast<std::int64_t>(tensor->nbytes());
  }
  return sum;
}

QuantizedMatrix QuantizedMatrix::on(c10::Device device) const {
  QuantizedMatrix there = *this;
  for (at::Tensor* tensor : {&there.codes, &there.scales, &there.minimums}) {
    if (tensor->defined()) *tensor = tensor->to(device);
  }
  return there;
}

QuantizedMatrix quantize(const at::Tensor& matrix, WeightFormat format) {
  const at::Tensor source = matrix.detach().contiguous();
  QuantizedMatrix made{format, source.size(0), source.size(1), {}, {}, {}};
  const float* values = source.const_data_ptr<float>();
  const std::int64_t columns = made.columns;
  if (format == WeightFormat::kBFloat16) {
    made.codes = source.to(at::kBFloat16);
  } else if (format == WeightFormat::kInt8) {
    made.codes = at::empty({made.rows, columns}, at::kChar);
    made.scales = at::empty({made.rows}, at::kFloat);
    auto* codes = made.codes.mutable_data_ptr<std::int8_t>();
    auto* scales = made.scales.mutable_data_ptr<float>();
    for_rows(made.rows, columns, [=](std::int64_t i) {
      quantize_row_int8(values + i * columns, columns, codes + i * columns, scales[i]);
    });
  } else {
    const std::int64_t groups = groups_of(columns);
    const std::int64_t width = (columns + 1) / 2;
    made.codes = at::empty({made.rows, width}, at::kByte).zero_();
    made.scales = at::empty({made.rows, groups}, at::kFloat);
    made.minimums = at::empty({made.rows, groups}, at::kFloat);
    auto* codes = made.codes.mutable_data_ptr<std::uint8_t>();
    auto* scales = made.scales.mutable_data_ptr<float>();
    auto* minimums = made.minimums.mutable_data_ptr<float>();
    for_rows(made.rows, columns, [=](std::int64_t i) {
      quantize_row_int4(values + i * columns, columns, codes + i * width, scales + i * groups,
          minimums + i * groups);
    });
  }
  return made;
}

void dequantize_(const QuantizedMatrix& matrix, at::Tensor& out) {
  if (matrix.format == WeightFormat::kBFloat16) {
    out.copy_(matrix.codes);
    return;
  }
  if (!out.device().is_cpu()) return dequantize_by_aten_(matrix, out);
  auto* values = out.mutable_data_ptr<float>();
  const std::int64_t columns = matrix.columns;
  const float* scales = matrix.scales.const_data_ptr<float>();
  if (matrix.format == WeightFormat::kInt8) {
    const auto* codes = matrix.codes.const_data_ptr<std::int8_t>();
    for_rows(matrix.rows, columns, [=](std::int64_t i) {
      dequantize_row_int8(codes + i * columns, scales[i], columns, values + i * columns);
    });
    return;
  }
  const auto* codes = matrix.codes.const_data_ptr<std::uint8_t>();
  const float* minimums = matrix.minimums.const_data_ptr<float>();
  const std::int64_t groups = groups_of(columns);
  const std::int64_t width = matrix.codes.size(1);
  for_rows(matrix.rows, columns, [=](std::int64_t i) {
    dequantize_row_int4(codes + i * width, scales + i * groups, minimums + i * groups, columns,
        values + i * columns);
  });
}

}  // namespace salf::ops
