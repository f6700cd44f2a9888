#include "memory.h"

#include <c10/util/Exception.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <string>

namespace salf::fake_device {
namespace {

constexpr std::size_t kAlignment = 512;  // CUDA's
constexpr std::size_t kUsualBytes = std::size_t{1} << 32U;
constexpr int kNotANumber = 0xFF;  // of each byte

char* map(int file, std::size_t bytes, int access) {
  void* const at = ::mmap(nullptr, bytes, access, MAP_SHARED | MAP_NORESERVE, file, 0);
  TORCH_CHECK(at != MAP_FAILED, "fake device: memory cannot be mapped");
  return static_cast<char*>(at);
}

std::int64_t number_of(const char* variable, std::int64_t otherwise) {
  const char* const text = std::getenv(variable);
  return text == nullptr ? otherwise : std::stoll(text);
}

}  // namespace

Memory::Memory(std::size_t bytes) : size_(bytes) {
  const int file = ::memfd_create("fake-device", 0);
  TORCH_CHECK(file >= 0 && ::ftruncate(file, static_cast<off_t>(bytes)) == 0,
      "fake device: the system has no memory");
  device_ = map(file, bytes, PROT_NONE);
  kernel_ = map(file, bytes, PROT_READ | PROT_WRITE);
  ::close(file);
  free_[0] = bytes;
}

void* Memory::take(std::size_t bytes) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const std::size_t size = std::max((bytes + kAlignment - 1) / kAlignment * kAlignment, kAlignment);
  const auto place = std::find_if(
      free_.begin(), free_.end(), [size](const auto& entry) { return entry.second >= size; });
  TORCH_CHECK_WITH(OutOfMemoryError, calls_++ != refused_ && place != free_.end(),
      "CUDA out of memory. Tried to allocate ", bytes, " bytes. The fake device has ", size_,
      " bytes, of which ", size_ - held_, " are free.");
  const std::size_t begin = place->first;
  const std::size_t left = place->second - size;
  free_.erase(place);
  if (left > 0) free_[begin + size] = left;
  taken_[begin] = size;
  held_ += size;
  most_ = std::max(most_, held_);
  std::memset(kernel_ + begin, kNotANumber, size);
  return device_ + begin;
}

void Memory::refuse(std::int64_t number) {
  const std::lock_guard<std::mutex> lock(mutex_);
  refused_ = number;
}

void Memory::give_back(void* pointer) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto begin = static_cast<std::size_t>(static_cast<char*>(pointer) - device_);
  std::size_t size = taken_.at(begin);
  taken_.erase(begin);
  held_ -= size;
  std::memset(kernel_ + begin, kNotANumber, size);
  auto next = free_.lower_bound(begin);
  if (next != free_.end() && next->first == begin + size) {
    size += next->second;
    next = free_.erase(next);
  }
  if (next != free_.begin()) {
    const auto before = std::prev(next);
    if (before->first + before->second == begin) {
      before->second += size;
      return;
    }
  }
  free_[begin] = size;
}

bool Memory::holds(const void* pointer) const {
  const char* const at = static_cast<const char*>(pointer);
  return at >= device_ && at < device_ + size_;
}

void* Memory::for_kernels(const void* pointer) const {
  return kernel_ + (static_cast<const char*>(pointer) - device_);
}

const void* Memory::for_tensors(const void* pointer) const {
  const char* const at = static_cast<const char*>(pointer);
  return at >= kernel_ && at < kernel_ + size_ ? device_ + (at - kernel_) : nullptr;
}

Memory& memory() {
  // Never destroyed: tensors may outlive everything.
  static Memory* const made = [] {
    auto* const all = new Memory(static_cast<std::size_t>(
        number_of("SALF_FAKE_DEVICE_BYTES", static_cast<std::int64_t>(kUsualBytes))));
    all->refuse(number_of("SALF_FAKE_DEVICE_REFUSE", -1));
    return all;
  }();
  return *made;
}

}  // namespace salf::fake_device
