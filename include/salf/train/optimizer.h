// How do gradients become new weights? AdamW with decoupled weight decay (Loshchilov, Hutter, ICLR
// 2019, arXiv 1711.05101) as one fused operation, and clipping by the global norm.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "salf/model/script_model.h"
#include "salf/tensor/tensor_file.h"

namespace salf::train {

struct AdamWOptions {
  double weight_decay = 0.01;  // only on parameters of two or more dimensions
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
};

class AdamW {
 public:
  // `parameters`: each tensor once; their memory is written by step(). State is made at the first
  // step, like the parameters in type and place.
  AdamW(std::vector<model::Parameter> parameters, AdamWOptions options);

  // One update from the parameters' gradients; a parameter without a gradient is left alone. Writes
  // the parameters. Autograd must not be recording.
  void step(double learning_rate);
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
  void update(const std::vector<Slot*>& slots, double learning_rate, double weight_decay);

  AdamWOptions options_;
  std::vector<Slot> slots_;
  std::int64_t steps_ = 0;
};

// Scales all gradients by min(1, limit / norm), norm over all of them together; limit 0 leaves
// them. Returns the norm before, [] f32 on the parameters' device, without waiting for the device.
at::Tensor clip_gradients(const std::vector<model::Parameter>& parameters, double limit);

}  // namespace salf::train
