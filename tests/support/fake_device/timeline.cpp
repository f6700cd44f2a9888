#include "timeline.h"

#include <ATen/Functions.h>
#include <c10/util/Exception.h>

#include <cstring>

namespace salf::fake_device {
namespace {

constexpr int kNotANumber = 0xFF;  // of each byte

void check_unchanged(const at::Tensor& source, const at::Tensor& copy) {
  TORCH_CHECK(source.equal(copy),
      "fake device: the host changed the source of a copy to the device before it had waited for "
      "the copy");
}

}  // namespace

std::int64_t Timeline::now() {
  const std::lock_guard<std::mutex> lock(mutex_);
  return last_;
}

bool Timeline::is_done(std::int64_t work) {
  const std::lock_guard<std::mutex> lock(mutex_);
  return work <= done_;
}

void Timeline::wait(std::int64_t work, const char* by) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (work <= done_) return;
  ++counters.waits;
  ++counters.by_wait[by];
  finish_up_to(work);
}

void Timeline::wait_for_all(const char* by) {
  const std::lock_guard<std::mutex> lock(mutex_);
  ++counters.waits;
  ++counters.by_wait[by];
  finish_up_to(last_);
}

void Timeline::finish_up_to(std::int64_t work) {
  for (; !pending_.empty() && pending_.front().work <= work; pending_.pop_front()) {
    const Pending& copy = pending_.front();
    if (copy.to_host) {
      copy.host.copy_(copy.copy);
    } else {
      check_unchanged(copy.host, copy.copy);
    }
  }
  done_ = work;
}

void Timeline::add_kernel(const std::string& name) {
  const std::lock_guard<std::mutex> lock(mutex_);
  ++last_;
  ++counters.kernels;
  ++counters.by_operator[name];
}

void Timeline::add_copy_to_device(const at::Tensor& from, bool later) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    ++last_;
    ++counters.copies_to_device;
    counters.bytes_to_device += static_cast<std::int64_t>(from.nbytes());
    if (later) pending_.push_back({last_, from, from.clone(), false});
  }
  if (!later) wait_for_all("copy to the device");
}

void Timeline::add_copy_to_host(const at::Tensor& from, const at::Tensor& to, bool later) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    ++last_;
    ++counters.copies_to_host;
    counters.bytes_to_host += static_cast<std::int64_t>(from.nbytes());
    if (later) {
      pending_.push_back({last_, to, from.clone(), true});
      TORCH_CHECK(to.is_non_overlapping_and_dense(), "fake device: a copy to a strided tensor");
      std::memset(to.data_ptr(), kNotANumber, to.nbytes());
    } else {
      to.copy_(from);
    }
  }
  if (!later) wait_for_all("copy to the host");
}

Timeline& timeline() {
  static auto* const made = new Timeline;  // never destroyed: tensors may outlive everything
  return *made;
}

}  // namespace salf::fake_device
