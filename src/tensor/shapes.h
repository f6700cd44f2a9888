// The letters of shapes, and the check at module edges.
//   B batch rows   T tokens of a row   D hidden size   V vocabulary   L blocks   N supervised
//   positions
// Shapes are written [B, T, D] f32 beside every tensor parameter and field.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

namespace salf::tensor {

inline constexpr std::int64_t kAny = -1;

// Throws Error(kBadModel) "NAME: expected [4, 576], got [4, 64]" for other sizes. kAny fits all.
void check_shape(
    const at::Tensor& tensor, const std::vector<std::int64_t>& expected, const std::string& name);

std::string sizes_text(at::IntArrayRef sizes);     // "[4, 16, 576]"; "any" for kAny
std::string shape_text(const at::Tensor& tensor);  // "[4, 16, 576] float32"

}  // namespace salf::tensor
