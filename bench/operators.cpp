// What is each of salf's operators worth? Forward and backward of ours beside ATen's, at
// SmolLM2-135M's shapes: 1,024 tokens, hidden size 576, feed-forward 1,536, vocabulary 49,152. On
// the CPU, or where SALF_DEVICE says (cuda).
#include "ops/operators.h"

#include <ATen/ATen.h>
#include <benchmark/benchmark.h>
#include <torch/csrc/autograd/autograd.h>

#include <cstdlib>

#include "tensor/device.h"

namespace {

using namespace salf;

c10::Device device() {
  static const c10::Device opened = [] {
    const char* const name = std::getenv("SALF_DEVICE");
    return tensor::open_device(name == nullptr ? "cpu" : name);
  }();
  return opened;
}

at::Tensor values(at::IntArrayRef shape) { return at::randn(shape).to(device()); }
at::Tensor trained(at::IntArrayRef shape) { return values(shape).requires_grad_(true); }

template <class Forward> void both_ways(
    benchmark::State& state, const std::vector<at::Tensor>& inputs, const Forward& forward) {
  const at::Tensor slope = at::ones_like(forward().detach());
  for (auto unused : state) {
    (void)unused;
    benchmark::DoNotOptimize(torch::autograd::grad({forward()}, inputs, {slope}));
    tensor::synchronize(device());
  }
}

void rms_norm(benchmark::State& state, bool own) {
  const at::Tensor x = trained({4, 256, 576});
  const at::Tensor weight = trained({576});
  both_ways(state, {x, weight},
      [&] { return own ? ops::rms_norm(x, weight, 1e-5) : at::rms_norm(x, {576}, weight, 1e-5); });
}
BENCHMARK_CAPTURE(rms_norm, aten, false)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(rms_norm, salf, true)->Unit(benchmark::kMillisecond);

void swiglu(benchmark::State& state, bool own) {
  const at::Tensor gate = trained({4, 256, 1536});
  const at::Tensor up = trained({4, 256, 1536});
  both_ways(state, {gate, up}, [&] { return own ? ops::swiglu(gate, up) : at::silu(gate) * up; });
}
BENCHMARK_CAPTURE(swiglu, aten, false)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(swiglu, salf, true)->Unit(benchmark::kMillisecond);

void rotary(benchmark::State& state, bool own) {
  const at::Tensor x = trained({4, 256, 9, 64});
  const at::Tensor cos = values({256, 1, 64});
  const at::Tensor sin = values({256, 1, 64});
  both_ways(state, {x}, [&] {
    return own ? ops::rotary(x, cos, sin, 32) : at::addcmul(x * cos, x.roll({32}, {-1}), sin);
  });
}
BENCHMARK_CAPTURE(rotary, aten, false)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(rotary, salf, true)->Unit(benchmark::kMillisecond);

void cross_entropy(benchmark::State& state, bool own) {
  const at::Tensor scores = values({170, 49152});
  const at::Tensor labels = at::randint(49152, {170}, at::kLong).to(device());
  for (auto unused : state) {
    (void)unused;
    at::Tensor logits = scores.clone();  // both pay for it
    if (own) {
      benchmark::DoNotOptimize(ops::cross_entropy_(logits, logits, labels, 1.0));
    } else {
      const at::Tensor log = at::_log_softmax(logits, 1, false);
      benchmark::DoNotOptimize(at::nll_loss(log, labels));
      benchmark::DoNotOptimize(
          log.exp().scatter_add(1, labels.unsqueeze(1), at::full({170, 1}, -1.0, log.options())));
    }
    tensor::synchronize(device());
  }
}
BENCHMARK_CAPTURE(cross_entropy, aten, false)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(cross_entropy, salf, true)->Unit(benchmark::kMillisecond);

// The three products of a linear operator with `out` rows of weights of 576.
void product(benchmark::State& state, bool own) {
  const at::Tensor x = trained({1024, 576});
  const at::Tensor weight = trained({state.range(0), 576});
  both_ways(state, {x, weight},
      [&] { return own ? ops::linear(x, weight, std::nullopt) : at::linear(x, weight); });
}
BENCHMARK_CAPTURE(product, mkl, false)
    ->Arg(576)
    ->Arg(1536)
    ->Arg(49152)
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(product, onednn, true)
    ->Arg(576)
    ->Arg(1536)
    ->Arg(49152)
    ->Unit(benchmark::kMillisecond);

}  // namespace
