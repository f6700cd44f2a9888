#include "salf/tensor/shapes.h"

#include "salf/core/error.h"

namespace salf::tensor {
namespace {

std::string sizes_text(c10::ArrayRef<std::int64_t> sizes) {
  std::string text = "[";
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    if (i > 0) text += ", ";
    text += sizes[i] == kAny ? "any" : std::to_string(sizes[i]);
  }
  return text + "]";
}

}  // namespace

void check_shape(const at::Tensor& tensor, const std::vector<std::int64_t>& expected, const std::string& name) {
  if (!tensor.defined()) {
    throw Error(ErrorKind::kBadModel, name + ": expected " + sizes_text(expected) + ", got no tensor");
  }
  bool fits = tensor.dim() == static_cast<std::int64_t>(expected.size());
  for (std::size_t i = 0; fits && i < expected.size(); ++i) {
    fits = expected[i] == kAny || tensor.size(static_cast<std::int64_t>(i)) == expected[i];
  }
  if (fits) return;
  throw Error(ErrorKind::kBadModel, name + ": expected " + sizes_text(expected) + ", got " + sizes_text(tensor.sizes()));
}

std::string shape_text(const at::Tensor& tensor) {
  if (!tensor.defined()) return "no tensor";
  return sizes_text(tensor.sizes()) + " " + c10::toString(tensor.scalar_type());
}

}  // namespace salf::tensor
