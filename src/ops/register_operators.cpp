#include <torch/library.h>

#include "ops/operators.h"

namespace salf::ops {

void register_operators() {
  // Static registration would be dropped by the linker with the rest of an unused object file.
  static const torch::Library library = [] {
    torch::Library made(torch::Library::DEF, "salf", std::nullopt, __FILE__, __LINE__);
    const auto differentiable = c10::DispatchKey::CompositeImplicitAutograd;
    made.def("linear(Tensor x, Tensor weight, Tensor? bias) -> Tensor",
        torch::dispatch(differentiable, TORCH_FN(linear)));
    made.def(
        "lora_linear(Tensor x, Tensor weight, Tensor? bias, Tensor a, Tensor b, float scale) -> "
        "Tensor",
        torch::dispatch(differentiable, TORCH_FN(lora_linear)));
    made.def("rms_norm(Tensor x, Tensor weight, float epsilon) -> Tensor",
        torch::dispatch(differentiable, TORCH_FN(rms_norm)));
    made.def("swiglu(Tensor gate, Tensor up) -> Tensor",
        torch::dispatch(differentiable, TORCH_FN(swiglu)));
    made.def("rotary(Tensor x, Tensor cos, Tensor sin, int shift) -> Tensor",
        torch::dispatch(differentiable, TORCH_FN(rotary)));
    return made;
  }();
}

}  // namespace salf::ops
