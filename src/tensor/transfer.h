// Copies between the host and a GPU for which the host does not wait, and the moments to wait for.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>
#include <c10/core/Event.h>

#include "tensor/batch.h"

namespace c10 {
struct StreamGuard;
}

namespace salf::tensor {

// A moment in the work that was asked of a GPU: all that its current stream had to do before.
class Moment {
 public:
  explicit Moment(c10::Device device);

  bool has_passed() const { return event_.query(); }
  void wait() const { event_.synchronize(); }
  // The current stream does nothing more before the moment.
  void delay_stream() const;
  // From the other moment to this one. REQUIRES: both have passed
  double seconds_since(const Moment& earlier) const;

 private:
  c10::Device device_;
  c10::Event event_;
};

// Uninitialized memory of the host that a GPU can read and write while the host goes on.
at::Tensor pinned(at::IntArrayRef shape, at::ScalarType type);

// A copy of pinned memory on a GPU, in the order of the current stream's work. The host may change
// the memory once that is done.
at::Tensor sent(const at::Tensor& pinned, c10::Device device);

// A copy on the way to a GPU beside the work of the current stream.
class Ahead {
 public:
  Ahead(const at::Tensor& pinned, c10::Device device);
  // For the current stream, which is delayed until the copy is there.
  at::Tensor take() const;

 private:
  Ahead(const at::Tensor& pinned, c10::Device device, const c10::StreamGuard& beside);

  at::Tensor tensor_;
  Moment there_;
};

// A copy of a GPU's tensor on the way to the host.
class Arriving {
 public:
  explicit Arriving(const at::Tensor& tensor);
  bool is_there() const { return there_.has_passed(); }
  // On the host, pinned. Waits where it is not there yet.
  const at::Tensor& take() const;

 private:
  at::Tensor tensor_;
  Moment there_;
};

// The batch with all that kernels read of it on a GPU, in one copy for which the host does not
// wait. On the CPU the batch as it is.
Batch on_device(Batch batch, c10::Device device);

}  // namespace salf::tensor
