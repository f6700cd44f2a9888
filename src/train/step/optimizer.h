// AdamW with decoupled weight decay (Loshchilov, Hutter, ICLR 2019, arXiv 1711.05101) in one pass
// over memory, and clipping by the global norm.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "model/script_model.h"
#include "model/weights/narrow_weights.h"
#include "tensor/tensor_file.h"

namespace salf::train {

struct AdamWOptions {
  double weight_decay = 0.01;  // only on parameters of two or more dimensions
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double rate_ratio = 1.0;  // learning rate of LoRA's B over that of everything else (LoRA+)
};

class AdamW {
 public:
  // `parameters`: each tensor once; their memory is written by step(), and so are their copies in
  // `narrow`, if it has any. State is made at the first step, like the parameters in type and
  // place.
  AdamW(std::vector<model::Parameter> parameters, AdamWOptions options,
      std::shared_ptr<model::NarrowWeights> narrow = nullptr);

  // One update from the parameters' gradients, divided by `divisor` ([] f32, undefined for 1); a
  // parameter without a gradient is left alone. Writes the parameters. Autograd must
  // not be recording.
  void step(double learning_rate, const at::Tensor& divisor = {});
  // Forgets the gradients.
  void clear_gradients();

  // Optimizer steps done.
  std::int64_t steps() const { return steps_; }

  // State as tensors named "PREFIXfirst/NAME", "PREFIXsecond/NAME" (moments) and "PREFIXstep/NAME".
  std::vector<tensor::NamedTensor> state(const std::string& prefix) const;
  // Takes state() back, exactly; `steps` as steps() was. Throws Error(kBadInput) when names or
  // shapes do not fit.
  void load_state(const std::vector<tensor::NamedTensor>& tensors, const std::string& prefix,
      std::int64_t steps);

 private:
  struct Slot {
    model::Parameter parameter;
    at::Tensor first, second, step;  // undefined before the first update; step: [] f32
  };
  void update_all(double learning_rate, const at::Tensor& divisor, bool lora_b);
  void update(const std::vector<Slot*>& slots, double learning_rate, double weight_decay,
      const at::Tensor& divisor);

  // By one kernel for each, on the CPU.
  void update_rows(const std::vector<Slot*>& slots, double learning_rate, double weight_decay,
      const at::Tensor& divisor);

  AdamWOptions options_;
  std::shared_ptr<model::NarrowWeights> narrow_;  // shared with the cuts
  std::vector<Slot> slots_;
  std::int64_t steps_ = 0;
};

// The norm over all gradients together, and what they are divided by to be no longer than `limit`.
// Found without waiting for the device.
struct GradientNorm {
  at::Tensor norm;     // [] f32
  at::Tensor divisor;  // [] f32, max(1, (norm + 1e-6) / limit); undefined: 1
};
GradientNorm gradient_norm(const std::vector<model::Parameter>& parameters, double limit);

}  // namespace salf::train
