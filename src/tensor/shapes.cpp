#include "tensor/shapes.h"

#include <c10/core/ScalarType.h>

#include <algorithm>

#include "core/error.h"
#include "core/text.h"

namespace salf::tensor {
namespace {

bool fits(const at::Tensor& tensor, const std::vector<std::int64_t>& expected) {
  return std::equal(tensor.sizes().begin(), tensor.sizes().end(), expected.begin(), expected.end(),
      [](std::int64_t size, std::int64_t wanted) { return wanted == kAny || size == wanted; });
}

}  // namespace

void check_shape(
    const at::Tensor& tensor, const std::vector<std::int64_t>& expected, const std::string& name) {
  if (tensor.defined() && fits(tensor, expected)) return;
  const std::string got = tensor.defined() ? sizes_text(tensor.sizes()) : "an undefined tensor";
  throw Error(ErrorKind::kBadModel, name + ": expected " + sizes_text(expected) + ", got " + got);
}

std::string sizes_text(at::IntArrayRef sizes) {
  std::vector<std::string> parts;
  for (const std::int64_t size : sizes)
    parts.push_back(size == kAny ? "any" : std::to_string(size));
  return "[" + core::join(parts, ", ") + "]";
}

std::string shape_text(const at::Tensor& tensor) {
  if (!tensor.defined()) return "undefined";
  return sizes_text(tensor.sizes()) + " " + c10::getDtypeNames(tensor.scalar_type()).first;
}

}  // namespace salf::tensor
