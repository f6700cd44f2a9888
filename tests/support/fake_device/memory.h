// The memory of the fake device.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>

namespace salf::fake_device {

// Mapped twice: tensors point to pages that nobody may read or write, and kernels use a second
// mapping of the same bytes.
class Memory {
 public:
  // Throws c10::Error where the system has none.
  explicit Memory(std::size_t bytes);

  // Uninitialized: NaN as float32 and bfloat16. Throws c10::OutOfMemoryError.
  void* take(std::size_t bytes);
  // Throws c10::OutOfMemoryError for the `number`-th call of take() from the first; -1: none.
  void refuse(std::int64_t number);
  void give_back(void* pointer);

  // Whether a tensor may point there.
  bool holds(const void* pointer) const;
  // Where kernels find what a tensor points to.
  void* for_kernels(const void* pointer) const;
  // The opposite; nullptr for memory that is not the device's.
  const void* for_tensors(const void* pointer) const;

  std::size_t size() const { return size_; }
  std::int64_t calls() const { return calls_; }
  std::int64_t held() const { return static_cast<std::int64_t>(held_); }
  std::int64_t most() const { return static_cast<std::int64_t>(most_); }
  void forget_most() { most_ = held_; }

 private:
  std::size_t size_;
  char* device_;
  char* kernel_;
  std::mutex mutex_;
  std::map<std::size_t, std::size_t> free_;   // begin → bytes, never two side by side
  std::map<std::size_t, std::size_t> taken_;  // begin → bytes
  std::size_t held_ = 0, most_ = 0;
  std::int64_t calls_ = 0, refused_ = -1;
};

// The one of this process.
Memory& memory();

}  // namespace salf::fake_device
