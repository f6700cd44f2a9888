#include "tensor/allocation_watch.h"

#include <c10/core/Allocator.h>

#include <algorithm>

namespace salf::tensor {

struct AllocationWatch::Counter : c10::MemoryReportingInfoBase {
  void reportMemoryUsage(void* /*ptr*/, std::int64_t size, std::size_t /*allocated*/,
      std::size_t /*reserved*/, c10::Device /*device*/) override {
    bytes += size;
    peak = std::max(peak, bytes);
  }
  bool memoryProfilingEnabled() const override { return true; }

  std::int64_t bytes = 0, peak = 0;
};

AllocationWatch::AllocationWatch()
    : counter_(std::make_shared<Counter>()), guard_(c10::DebugInfoKind::PROFILER_STATE, counter_) {}

std::int64_t AllocationWatch::bytes() const { return counter_->bytes; }
std::int64_t AllocationWatch::peak() const { return counter_->peak; }

}  // namespace salf::tensor
