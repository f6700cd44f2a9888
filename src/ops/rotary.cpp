#include <ATen/TensorOperators.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/roll.h>
#include <torch/csrc/autograd/custom_function.h>

#include "ops/device_operators.h"
#include "ops/operators.h"
#include "ops/row_kernels.h"
#include "ops/rows.h"

namespace salf::ops {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;
using Kernel = void (*)(const float*, const float*, const float*, std::int64_t, float*);

// A tensor [A, B, E, C] whose heads, its last dimension, are contiguous; the rest lies as it may,
// so that neither transposed states nor broadcast tables are copied.
struct Heads {
  explicit Heads(const at::Tensor& x)
      : tensor(x.stride(3) == 1 ? x : x.contiguous()), data(tensor.data_ptr<float>()) {}
  float* at(std::int64_t a, std::int64_t b, std::int64_t e) const {
    return data + a * tensor.stride(0) + b * tensor.stride(1) + e * tensor.stride(2);
  }
  at::Tensor tensor;
  float* data;
};

at::Tensor turn(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin, Kernel kernel) {
  const Heads heads(x);
  const Heads cosines(cos.expand(x.sizes()));
  const Heads sines(sin.expand(x.sizes()));
  const at::Tensor y = at::empty_like(heads.tensor);
  const Heads results(y);
  const std::int64_t middle = x.size(1);
  const std::int64_t inner = x.size(2);
  for_rows(x.size(0) * middle, inner * x.size(3), [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t i = first; i < last; ++i) {
      const std::int64_t a = i / middle;
      const std::int64_t b = i % middle;
      for (std::int64_t e = 0; e < inner; ++e) {
        kernel(heads.at(a, b, e), cosines.at(a, b, e), sines.at(a, b, e), x.size(3),
            results.at(a, b, e));
      }
    }
  });
  return y;
}

struct Rotary : torch::autograd::Function<Rotary> {
  static at::Tensor forward(
      AutogradContext* context, const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin) {
    context->save_for_backward({cos, sin});
    return turn(x, cos, sin, row_kernels().rotary);
  }
  static variable_list backward(AutogradContext* context, const variable_list& outer) {
    const auto saved = context->get_saved_variables();
    return {turn(outer[0], saved[0], saved[1], row_kernels().rotary_backward), at::Tensor(),
        at::Tensor()};
  }
};

}  // namespace

at::Tensor rotary(
    const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin, std::int64_t shift) {
  const bool heads = x.dim() == 4 && cos.dim() <= 4 && sin.dim() <= 4;
  const bool halves =
      x.size(-1) == 2 * shift && cos.size(-1) == 2 * shift && sin.size(-1) == 2 * shift;
  if (heads && halves) {
    if (is_plain(x) && is_plain(cos) && is_plain(sin)) return Rotary::apply(x, cos, sin);
    const DeviceKernels* const kernels = device_kernels({x, cos, sin});
    if (kernels != nullptr) return rotary_by(*kernels, x, cos.to(at::kFloat), sin.to(at::kFloat));
  }
  return x * cos + x.roll({shift}, {-1}) * sin;
}

}  // namespace salf::ops
