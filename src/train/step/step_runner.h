// One optimizer step: forward below the cut without autograd, above it with, backward, clipping,
// AdamW; how long each of these took, and how much memory. On a GPU the host waits once a step, for
// loss and gradient norm, before the optimizer's work.
#pragma once

#include <c10/core/Device.h>

#include <cstdint>
#include <functional>
#include <vector>

#include "model/graph/graph_cut.h"
#include "tensor/batch.h"
#include "train/cache/prefix_cache.h"
#include "train/step/freeze.h"
#include "train/step/gradient_sum.h"
#include "train/step/optimizer.h"
#include "train/step/step_clock.h"
#include "train/step/weight_part.h"
#include "types/freeze_plan.h"

namespace salf::train {

struct MemoryUse {
  std::int64_t peak_resident = 0;  // VmHWM: libraries and mapped files included; never falls
  std::int64_t anonymous = 0;      // RssAnon now
};

// In bytes, of this process, from /proc/self/status; zeros where that cannot be read.
MemoryUse memory_use();

struct StepResult {
  // Nats per supervised token of the step's batches, before the update; NaN without any.
  double loss = 0.0;
  double gradient_norm = 0.0;
  std::int64_t anonymous_bytes = 0;  // of the process before the backward pass, when it holds most
  std::int64_t tokens = 0;
  std::int64_t supervised_tokens = 0;
  bool finite = true;  // false: loss or gradient is not finite, and no update was made
};

struct StepSetup {
  std::int64_t cut = 0;
  double clip = 1.0;
  bool recompute = false;        // keep no activations within blocks
  PrefixCache* cache = nullptr;  // of the batches' rows; nullptr: the prefix runs each time
  GradientSum* sum = nullptr;    // over shards; nullptr: there is one, of this process
  WeightPart* part = nullptr;    // that the optimizer updates; nullptr: all that is trained
};

class StepRunner {
 public:
  // The references must outlive this.
  StepRunner(const model::GraphCut& graph, const Freeze& freeze, AdamW& optimizer, StepSetup setup)
      : graph_(graph), freeze_(freeze), optimizer_(optimizer), setup_(setup),
        device_(graph.head_weight().device()), clock_(device_) {}

  // Adds its seconds to `seconds`. On a GPU `meanwhile` is called, where it is set, while the
  // device works, and the seconds of the optimizer are added later. With a sum of shards, the
  // batches are those that begin() of it told, and the result is of all shards.
  StepResult run(const std::vector<tensor::Batch>& batches, double learning_rate,
      types::CostBreakdown& seconds, const std::function<void()>& meanwhile = {});
  // Adds what is missing, once the device is done.
  void finish(types::CostBreakdown& seconds);

 private:
  at::Tensor loss_and_gradients(
      const tensor::Batch& batch, double scale, std::int64_t& anonymous_bytes);
  void update(double learning_rate, const at::Tensor& divisor);
  void hand_over(types::CostBreakdown& seconds);

  const model::GraphCut& graph_;
  const Freeze& freeze_;
  AdamW& optimizer_;
  StepSetup setup_;
  c10::Device device_;
  types::CostBreakdown passed_;  // not handed over yet
  StepClock clock_;
};

}  // namespace salf::train
