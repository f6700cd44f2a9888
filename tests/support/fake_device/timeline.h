// What the host asked of the fake device, in order, and how far the host has waited.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <deque>
#include <mutex>
#include <string>

#include "fake_device.h"

namespace salf::fake_device {

// Work is done as soon as it is asked for, but the host may not rely on it before it has waited:
// the result of a copy to the host appears then, and only then the source of a copy to the device
// may change.
class Timeline {
 public:
  // The work that was asked for last.
  std::int64_t now();
  // Whether the host has waited for it.
  bool is_done(std::int64_t work);
  // The host waits for everything up to this work; counted unless that is done.
  void wait(std::int64_t work, const char* by);
  void wait_for_all(const char* by);

  void add_kernel(const std::string& name);
  // Copies between tensors of the host, one of which stands for the device's. `later`: the host
  // goes on at once.
  void add_copy_to_device(const at::Tensor& from, bool later);
  void add_copy_to_host(const at::Tensor& from, const at::Tensor& to, bool later);

  // The counters, for whoever holds no reference to the timeline.
  Counters counters;

 private:
  struct Pending {
    std::int64_t work;
    at::Tensor host, copy;
    bool to_host;
  };

  void finish_up_to(std::int64_t work);

  std::mutex mutex_;
  std::int64_t last_ = 0, done_ = 0;
  std::deque<Pending> pending_;
};

// The one of this process.
Timeline& timeline();

}  // namespace salf::fake_device
