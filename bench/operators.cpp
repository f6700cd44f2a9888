// What is each of salf's operators worth? Forward and backward of ours beside ATen's: the time, and
// the distance to ATen's in float64 ("error", relative, the larger of result and gradients).
// SALF_DEVICE=cuda runs on a GPU, SALF_DTYPE=bf16 in bfloat16, and SALF_SHAPE has the sizes of
// smollm2 (the default: 1,024 tokens of SmolLM2-135M), llama (8,192 of 1.2B) or tiny.
#include "ops/operators.h"

#include <ATen/ATen.h>
#include <benchmark/benchmark.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

#include "ops/attention.h"
#include "tensor/device.h"

namespace {

using namespace salf;
using Tensors = std::vector<at::Tensor>;
using Operator = std::function<at::Tensor(const Tensors&)>;

struct Shape {
  std::int64_t rows, length, width, heads, key_heads, inner, vocabulary;
};

std::string variable(const char* name, const char* otherwise) {
  const char* const value = std::getenv(name);
  return value == nullptr ? otherwise : value;
}

Shape find_shape() {
  const std::string name = variable("SALF_SHAPE", "smollm2");
  if (name == "smollm2") return {4, 256, 576, 9, 3, 1536, 49152};
  if (name == "llama") return {8, 1024, 2048, 32, 8, 8192, 128256};
  if (name == "tiny") return {2, 16, 64, 4, 2, 128, 512};
  throw std::runtime_error("SALF_SHAPE: expected smollm2, llama or tiny, got " + name);
}

class Cases {
 public:
  Cases(c10::Device device, at::ScalarType type, const Shape& shape)
      : device_(device), type_(type), shape_(shape) {}

  void register_all() const;

 private:
  struct Case {
    Operator ours, atens;
    Tensors inputs;
    std::size_t differentiable;
  };

  // Made when it runs: the tensors of all at once would not fit a small GPU.
  void add(const std::string& name, const std::function<Case(const Cases&)>& make) const;
  void run(benchmark::State& state, const Case& tested, bool own) const;
  at::Tensor values(at::IntArrayRef shape) const { return at::randn(shape).to(device_, type_); }
  Case product(std::int64_t out) const;
  Case attention() const;
  Case cross_entropy() const;

  c10::Device device_;
  at::ScalarType type_;
  Shape shape_;
};

// The result, and the gradients to the first inputs.
Tensors both_ways(const Operator& forward, const Tensors& inputs, std::size_t differentiable) {
  const at::Tensor y = forward(inputs);
  Tensors all{y};
  if (differentiable == 0) return all;
  const auto end = inputs.begin() + static_cast<std::ptrdiff_t>(differentiable);
  const Tensors gradients =
      torch::autograd::grad({y}, Tensors(inputs.begin(), end), {at::ones_like(y)});
  all.insert(all.end(), gradients.begin(), gradients.end());
  return all;
}

Tensors leaves(const Tensors& inputs, std::size_t differentiable, bool wide) {
  Tensors all;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const bool widen = wide && inputs[i].is_floating_point();
    all.push_back((widen ? inputs[i].to(at::kDouble) : inputs[i].detach())
                      .requires_grad_(i < differentiable));
  }
  return all;
}

double error(const Tensors& found, const Tensors& exact) {
  double largest = 0.0;
  for (std::size_t i = 0; i < found.size(); ++i) {
    const at::Tensor difference = found[i].detach().to(at::kDouble) - exact[i].detach();
    largest = std::max(largest, difference.norm().item<double>() / exact[i].norm().item<double>());
  }
  return largest;
}

void Cases::run(benchmark::State& state, const Case& tested, bool own) const {
  const Operator& forward = own ? tested.ours : tested.atens;
  const Tensors inputs = leaves(tested.inputs, tested.differentiable, false);
  const Tensors wide = leaves(tested.inputs, tested.differentiable, true);
  state.counters["error"] = error(both_ways(forward, inputs, tested.differentiable),
      both_ways(tested.atens, wide, tested.differentiable));
  tensor::synchronize(device_);
  for (auto unused : state) {
    (void)unused;
    benchmark::DoNotOptimize(both_ways(forward, inputs, tested.differentiable));
    tensor::synchronize(device_);
  }
}

void Cases::add(const std::string& name, const std::function<Case(const Cases&)>& make) const {
  for (const bool own : {false, true}) {
    benchmark::RegisterBenchmark((name + (own ? "/salf" : "/aten")).c_str(),
        [cases = *this, make, own](benchmark::State& state) {
          at::manual_seed(7);
          cases.run(state, make(cases), own);
        })
        ->Unit(benchmark::kMillisecond)
        ->UseRealTime();
  }
}

// The three products of a linear layer.
Cases::Case Cases::product(std::int64_t out) const {
  return {[](const Tensors& x) { return ops::linear(x[0], x[1], std::nullopt); },
      [](const Tensors& x) { return at::linear(x[0], x[1]); },
      {values({shape_.rows * shape_.length, shape_.width}), values({out, shape_.width})}, 2};
}

Cases::Case Cases::attention() const {
  const std::int64_t size = shape_.width / shape_.heads;
  const auto heads = [&](std::int64_t count) {
    return values({shape_.rows, count, shape_.length, size});
  };
  const Operator ours = [](const Tensors& x) {
    return ops::attention(x[0], x[1], x[2], {}, 0.0, true, {}, true, {});
  };
  const Operator atens = [](const Tensors& x) {
    return at::scaled_dot_product_attention(x[0], x[1], x[2], {}, 0.0, true, {}, true);
  };
  return {ours, atens, {heads(shape_.heads), heads(shape_.key_heads), heads(shape_.key_heads)}, 3};
}

// The gradient of the loss to the logits, of a chunk of them; both pay for a copy.
Cases::Case Cases::cross_entropy() const {
  const Operator ours = [](const Tensors& x) {
    at::Tensor gradient = x[0].clone();
    ops::cross_entropy_(gradient, gradient, x[1], 1.0);
    return gradient;
  };
  const Operator atens = [](const Tensors& x) {
    const at::Tensor logits = x[0].clone();
    const at::Tensor log = at::_log_softmax(logits, 1, false);
    benchmark::DoNotOptimize(at::nll_loss(log, x[1]));
    return log.exp().scatter_add(
        1, x[1].unsqueeze(1), at::full({x[1].size(0), 1}, -1.0, log.options()));
  };
  const at::Tensor labels = at::randint(shape_.vocabulary, {170}, at::kLong).to(device_);
  return {ours, atens, {values({170, shape_.vocabulary}).to(at::kFloat), labels}, 0};
}

void Cases::register_all() const {
  add("rms_norm", [](const Cases& c) {
    const Operator ours = [](const Tensors& x) { return ops::rms_norm(x[0], x[1], 1e-5); };
    const Operator atens = [](const Tensors& x) {
      return at::rms_norm(x[0], {x[0].size(-1)}, x[1].to(x[0].scalar_type()), 1e-5);
    };
    return Case{ours, atens,
        {c.values({c.shape_.rows, c.shape_.length, c.shape_.width}),
            c.values({c.shape_.width}).to(at::kFloat)},
        2};
  });
  add("swiglu", [](const Cases& c) {
    const auto wide = [&c] { return c.values({c.shape_.rows, c.shape_.length, c.shape_.inner}); };
    const Operator ours = [](const Tensors& x) { return ops::swiglu(x[0], x[1]); };
    const Operator atens = [](const Tensors& x) { return at::silu(x[0]) * x[1]; };
    return Case{ours, atens, {wide(), wide()}, 2};
  });
  add("rotary", [](const Cases& c) {
    const std::int64_t size = c.shape_.width / c.shape_.heads;
    const auto table = [&] { return c.values({c.shape_.length, 1, size}); };
    const Operator ours = [size](
                              const Tensors& x) { return ops::rotary(x[0], x[1], x[2], size / 2); };
    const Operator atens = [size](const Tensors& x) {
      return at::addcmul(x[0] * x[1], x[0].roll({size / 2}, {-1}), x[2]);
    };
    return Case{ours, atens,
        {c.values({c.shape_.rows, c.shape_.length, c.shape_.heads, size}), table(), table()}, 1};
  });
  add("cross_entropy", &Cases::cross_entropy);
  add("attention", &Cases::attention);
  add("product_square", [](const Cases& c) { return c.product(c.shape_.width); });
  add("product_inner", [](const Cases& c) { return c.product(c.shape_.inner); });
  add("product_head", [](const Cases& c) { return c.product(c.shape_.vocabulary); });
}

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  const auto type = variable("SALF_DTYPE", "f32") == "bf16" ? at::kBFloat16 : at::kFloat;
  Cases(tensor::open_device(variable("SALF_DEVICE", "cpu")), type, find_shape()).register_all();
  benchmark::RunSpecifiedBenchmarks();
}
