#include "ops/device_operators.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/Stream.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <c10/util/Exception.h>
#include <dlfcn.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "core/log.h"

namespace salf::ops {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr const char* kLibrary = "libsalf_cuda.so";
constexpr std::size_t kLongestReason = 500;
constexpr std::int64_t kWeightSums = 512;  // rows of partial sums in one launch

// Stream::native_handle() is LibTorch 2.11's. Older ones give the default stream, salf's only one.
template <class Stream> auto native_handle(const Stream& stream, int)
    -> decltype(stream.native_handle()) {
  return stream.native_handle();
}
template <class Stream> void* native_handle(const Stream& /*stream*/, ...) { return nullptr; }

DeviceStream stream_of(const at::Tensor& x) {
  if (!x.is_cuda()) return {0, nullptr};
  const c10::impl::VirtualGuardImpl guard(x.device().type());
  return {x.device().index(), native_handle(guard.getStream(x.device()), 0)};
}

void check(const char* failed, const char* name) {
  TORCH_CHECK(failed == nullptr, "salf::", name, " could not be started on the GPU: ", failed);
}

Element element(const at::Tensor& x) {
  return x.scalar_type() == at::kBFloat16 ? Element::kBFloat16 : Element::kFloat32;
}

// The last dimension of a tensor as rows; a copy only where its strides do not allow it.
struct RowsOf {
  explicit RowsOf(const at::Tensor& x) : tensor(x.reshape({-1, x.size(-1)})) {
    if (tensor.stride(1) != 1) tensor = tensor.contiguous();
    view = {tensor.data_ptr(), tensor.stride(0), element(tensor)};
  }
  RowShape shape() const { return {tensor.size(0), tensor.size(1)}; }

  at::Tensor tensor;
  DeviceRows view{};
};

// A tensor [A, B, E, C] whose last dimension is contiguous, the rest as it lies.
struct HeadsOf {
  explicit HeadsOf(const at::Tensor& x) : tensor(x.stride(3) == 1 ? x : x.contiguous()) {
    view = {
        tensor.data_ptr(), {tensor.stride(0), tensor.stride(1), tensor.stride(2)}, element(tensor)};
  }
  at::Tensor tensor;
  DeviceHeads view{};
};

// A table of kernels lives as long as the process.
void keep(AutogradContext* context, const DeviceKernels& kernels) {
  context->saved_data["kernels"] = reinterpret_cast<std::int64_t>(&kernels);
}
const DeviceKernels& kept(AutogradContext* context) {
  return *reinterpret_cast<const DeviceKernels*>(context->saved_data["kernels"].toInt());
}

struct RmsNormBy : torch::autograd::Function<RmsNormBy> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& weight,
      const DeviceKernels* kernels, double epsilon) {
    const RowsOf rows(x);
    const at::Tensor scale = weight.contiguous();
    const at::Tensor y = at::empty(x.sizes(), x.options());
    const at::Tensor r = at::empty({rows.shape().count}, x.options().dtype(at::kFloat));
    check(
        kernels->rms_norm(stream_of(x), rows.view, scale.const_data_ptr<float>(),
            static_cast<float>(epsilon), rows.shape(), RowsOf(y).view, r.mutable_data_ptr<float>()),
        "rms_norm");
    context->save_for_backward({x, weight, r});
    keep(context, *kernels);
    return y;
  }

  static variable_list backward(AutogradContext* context, const variable_list& outer) {
    const auto saved = context->get_saved_variables();
    const RowsOf rows(saved[0]);
    const RowsOf gradients(outer[0]);
    const at::Tensor scale = saved[1].contiguous();
    const at::Tensor dx = at::empty(saved[0].sizes(), saved[0].options());
    const bool with_weight = context->needs_input_grad(1);
    const std::int64_t blocks = &kept(context) == &cpu_kernels()
                                    ? at::get_num_threads()
                                    : std::min(kWeightSums, rows.shape().count);
    const at::Tensor sums =
        with_weight ? at::zeros({blocks, rows.shape().width}, scale.options()) : at::Tensor();
    check(kept(context).rms_norm_backward(stream_of(dx), gradients.view, rows.view,
              scale.const_data_ptr<float>(), saved[2].const_data_ptr<float>(), rows.shape(),
              RowsOf(dx).view, with_weight ? sums.mutable_data_ptr<float>() : nullptr,
              with_weight ? blocks : rows.shape().count),
        "rms_norm's backward pass");
    variable_list made(4);  // kernels and epsilon have none
    made[0] = dx;
    if (with_weight) made[1] = sums.sum(0);
    return made;
  }
};

struct SwiGluBy : torch::autograd::Function<SwiGluBy> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& gate, const at::Tensor& up,
      const DeviceKernels* kernels) {
    const RowsOf gates(gate);
    const at::Tensor y = at::empty(gate.sizes(), gate.options());
    check(kernels->swiglu(
              stream_of(gate), gates.view, RowsOf(up).view, gates.shape(), RowsOf(y).view),
        "swiglu");
    context->save_for_backward({gate, up});
    keep(context, *kernels);
    return y;
  }

  static variable_list backward(AutogradContext* context, const variable_list& outer) {
    const auto saved = context->get_saved_variables();
    const RowsOf gates(saved[0]);
    const at::Tensor dgate = at::empty(saved[0].sizes(), saved[0].options());
    const at::Tensor dup = at::empty(saved[1].sizes(), saved[1].options());
    check(kept(context).swiglu_backward(stream_of(dgate), RowsOf(outer[0]).view, gates.view,
              RowsOf(saved[1]).view, gates.shape(), RowsOf(dgate).view, RowsOf(dup).view),
        "swiglu's backward pass");
    return {dgate, dup, at::Tensor()};
  }
};

using Turn = const char* (*)(DeviceStream, DeviceHeads, DeviceHeads, DeviceHeads, HeadShape,
    DeviceHeads);

at::Tensor turn(Turn kernel, const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin) {
  const HeadsOf heads(x);
  const at::Tensor y = at::empty_like(heads.tensor);
  check(kernel(stream_of(x), heads.view, HeadsOf(cos.expand(x.sizes())).view,
            HeadsOf(sin.expand(x.sizes())).view, {x.size(0), x.size(1), x.size(2), x.size(3)},
            HeadsOf(y).view),
      "rotary");
  return y;
}

struct RotaryBy : torch::autograd::Function<RotaryBy> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& cos,
      const at::Tensor& sin, const DeviceKernels* kernels) {
    context->save_for_backward({cos, sin});
    keep(context, *kernels);
    return turn(kernels->rotary, x, cos, sin);
  }
  static variable_list backward(AutogradContext* context, const variable_list& outer) {
    const auto saved = context->get_saved_variables();
    variable_list made(4);
    made[0] = turn(kept(context).rotary_backward, outer[0], saved[0], saved[1]);
    return made;
  }
};

// Starts one kernel and looks at its result. A library without machine code for this GPU, or beside
// an older driver, opens all the same. Returns why it cannot be used; "" if it can.
std::string trial(const DeviceKernels& kernels, c10::Device device) {
  constexpr double kExpected = 0.731058578630005;  // silu(1)
  const at::Tensor one = at::ones({1, 1}, at::TensorOptions(device));
  const at::Tensor result = at::zeros_like(one);
  const RowsOf in(one), out(result);
  const char* const failed = kernels.swiglu(stream_of(one), in.view, in.view, in.shape(), out.view);
  if (failed != nullptr) return std::string(kLibrary) + " cannot start a kernel: " + failed;
  const double got = result.item<double>();
  if (std::abs(got - kExpected) < 1e-5) return "";
  return std::string(kLibrary) + " computes silu(1) = " + std::to_string(got);
}

// dlopen searches where the program's own libraries are. The library is never closed.
DeviceLibrary open_library() {
  void* const library = ::dlopen(kLibrary, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* const reason = ::dlerror();
    return {nullptr, core::printable(reason != nullptr ? reason : kLibrary, kLongestReason)};
  }
  void* const table = ::dlsym(library, "salf_device_kernels");
  const DeviceKernels* const kernels =
      table == nullptr ? nullptr
                       : reinterpret_cast<SalfDeviceKernels*>(table)(kDeviceKernelsVersion);
  if (kernels == nullptr)
    return {nullptr, std::string(kLibrary) + " is of another version of salf"};
  return {kernels, ""};
}

DeviceLibrary tried_library(c10::Device device) {
  const DeviceLibrary& library = device_library();
  if (library.kernels == nullptr) return library;
  const std::string problem = trial(*library.kernels, device);
  if (problem.empty()) return library;
  return {nullptr, core::printable(problem, kLongestReason)};
}

const DeviceKernels* kernels_or_warning(c10::Device device) {
  const DeviceLibrary& library = device_library(device);
  if (library.kernels == nullptr) {
    core::log_warning(
        "norms, SwiGLU, rotary positions and the loss run by ATen's operators on the GPU: " +
        library.problem);
  }
  return library.kernels;
}

}  // namespace

const DeviceLibrary& device_library() {
  static const DeviceLibrary library = open_library();
  return library;
}

const DeviceLibrary& device_library(c10::Device device) {
  static const DeviceLibrary library = tried_library(device);
  return library;
}

const DeviceKernels* device_kernels(std::initializer_list<at::Tensor> tensors) {
  const c10::Device device = tensors.begin()->device();
  if (!device.is_cuda()) return nullptr;
  for (const at::Tensor& x : tensors) {
    const bool has_type = x.scalar_type() == at::kFloat || x.scalar_type() == at::kBFloat16;
    if (x.device() != device || !has_type) return nullptr;
  }
  static const DeviceKernels* const kernels = kernels_or_warning(device);
  return kernels;
}

at::Tensor rms_norm_by(
    const DeviceKernels& kernels, const at::Tensor& x, const at::Tensor& weight, double epsilon) {
  return RmsNormBy::apply(x, weight, &kernels, epsilon);
}

at::Tensor swiglu_by(const DeviceKernels& kernels, const at::Tensor& gate, const at::Tensor& up) {
  return SwiGluBy::apply(gate, up, &kernels);
}

at::Tensor rotary_by(const DeviceKernels& kernels, const at::Tensor& x, const at::Tensor& cos,
    const at::Tensor& sin) {
  return RotaryBy::apply(x, cos, sin, &kernels);
}

at::Tensor cross_entropy_by_(const DeviceKernels& kernels, at::Tensor& gradient,
    const at::Tensor& logits, const at::Tensor& labels, double scale) {
  const RowsOf rows(logits);
  const at::Tensor targets = labels.contiguous();
  const at::Tensor losses = at::empty({rows.shape().count}, logits.options().dtype(at::kDouble));
  check(kernels.cross_entropy(stream_of(logits), rows.view, targets.const_data_ptr<std::int64_t>(),
            static_cast<float>(scale), rows.shape(), RowsOf(gradient).view,
            losses.mutable_data_ptr<double>()),
      "cross_entropy");
  return losses.sum();
}

}  // namespace salf::ops
