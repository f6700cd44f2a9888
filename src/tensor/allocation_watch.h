// The memory of tensors that a thread makes, as LibTorch's allocators report it.
#pragma once

#include <c10/util/ThreadLocalDebugInfo.h>

#include <cstdint>
#include <memory>

namespace salf::tensor {

// While it lives, counts what this thread takes and gives back on any device. What the heap keeps
// of freed memory does not count. One at a time in a thread.
class AllocationWatch {
 public:
  AllocationWatch();

  std::int64_t bytes() const;  // held now, of what was made since the watch began
  std::int64_t peak() const;   // the most that was held at a time

 private:
  struct Counter;
  std::shared_ptr<Counter> counter_;
  c10::DebugInfoGuard guard_;
};

}  // namespace salf::tensor
