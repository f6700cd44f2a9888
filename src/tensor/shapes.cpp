#include "tensor/shapes.h"

#include <c10/core/ScalarType.h>

#include "core/error.h"

namespace salf::tensor {
namespace {

bool fits(const at::Tensor& tensor, const std::vector<std::int64_t>& expected) {
  if (tensor.sizes().size() != expected.size()) return false;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    if (expected[i] != kAny && expected[i] != tensor.sizes()[i]) return false;
  }
  return true;
}

}  // namespace

void check_shape(
    const at::Tensor& tensor, const std::vector<std::int64_t>& expected, const std::string& name) {
  if (tensor.defined() && fits(tensor, expected)) return;
  const std::string got = tensor.defined() ? sizes_text(tensor.sizes()) : "an undefined tensor";
  throw Error(ErrorKind::kBadModel, name + ": expected " + sizes_text(expected) + ", got " + got);
}

std::string sizes_text(at::IntArrayRef sizes) {
  std::string text;
  for (const std::int64_t size : sizes) {
    if (!text.empty()) text += ", ";
    text += size == kAny ? std::string("any") : std::to_string(size);
  }
  return "[" + text + "]";
}

std::string shape_text(const at::Tensor& tensor) {
  if (!tensor.defined()) return "undefined";
  return sizes_text(tensor.sizes()) + " " + c10::getDtypeNames(tensor.scalar_type()).first;
}

}  // namespace salf::tensor
