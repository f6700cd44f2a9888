#include "tensor/pool.h"

#include <c10/core/CPUAllocator.h>
#include <malloc.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <mutex>
#include <unordered_map>

namespace salf::tensor {
namespace {

constexpr std::size_t kPage = 4096;
constexpr std::size_t kHugePage = std::size_t{2} << 20U;
constexpr std::size_t kSmallest = std::size_t{1} << 19U;  // below it tensors stay on the heap
constexpr std::size_t kHuge = 4 * kHugePage;              // blocks from here on have huge pages
// A free block may be this much larger than what it serves, and the pool may hold this much more
// than was in use at one time. With less room, batches of another length take fresh pages.
constexpr double kSlack = 1.3;
constexpr double kSpare = 1.05;
// Tensors begin at so many places of a page in turn: streams that all begin at the same one get in
// each other's way in the first-level cache.
constexpr std::size_t kLine = 64;
constexpr std::size_t kPlaces = 16;

std::size_t round_up(std::size_t bytes, std::size_t to) { return (bytes + to - 1) / to * to; }

struct Block {
  char* start = nullptr;
  std::size_t size = 0;
};

Block new_block(std::size_t size) {
  const std::size_t asked = size >= kHuge ? size + kHugePage : size;
  void* const mapped =
      ::mmap(nullptr, asked, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) return {};
  char* start = static_cast<char*>(mapped);
  if (asked > size) {
    // Whole huge pages lie at their multiples; what is around them goes back.
    const auto address = reinterpret_cast<std::uintptr_t>(start);
    const std::size_t before = round_up(address, kHugePage) - address;
    if (before > 0) ::munmap(start, before);
    start += before;
    ::munmap(start + size, asked - size - before);
    ::madvise(start, size / kHugePage * kHugePage, MADV_HUGEPAGE);
  }
  return {start, size};
}

class Pool final : public c10::Allocator {
 public:
  explicit Pool(c10::Allocator* heap) : heap_(heap) {}

  c10::DataPtr allocate(std::size_t bytes) override;
  void copy_data(void* to, const void* from, std::size_t bytes) const override {
    default_copy_data(to, from, bytes);
  }
  // Libraries inside LibTorch take memory without a tensor.
  c10::DeleterFnPtr raw_deleter() const override { return &give_back; }
  void trim();
  std::size_t bytes();  // of all blocks

 private:
  struct Free {
    Block block;
    std::uint64_t turn;  // when it was freed
  };

  static void give_back(void* data);
  Block take(std::size_t size);
  bool keep(void* data);  // false: the pool has no such block
  void release_oldest();

  c10::Allocator* const heap_;
  std::mutex mutex_;
  std::unordered_map<const void*, Block> used_;  // by what they hold
  std::multimap<std::size_t, Free> free_;        // by size
  std::size_t used_bytes_ = 0, free_bytes_ = 0, most_used_ = 0;
  std::uint64_t turn_ = 0;
};

c10::DataPtr Pool::allocate(std::size_t bytes) {
  if (bytes < kSmallest) return heap_->allocate(bytes);
  char* data = nullptr;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    const std::size_t place = ++turn_ % kPlaces * kLine;
    const Block block = take(round_up(bytes + place, kPage));
    if (block.start != nullptr) used_.emplace(data = block.start + place, block);
  }
  if (data == nullptr) return heap_->allocate(bytes);  // throws LibTorch's own error
  c10::profiledCPUMemoryReporter().New(data, bytes);
  return {data, data, &give_back, c10::Device(c10::kCPU)};
}

Block Pool::take(std::size_t size) {
  const auto found = free_.lower_bound(size);
  Block block;
  if (found != free_.end() &&
      static_cast<double>(found->first) <= kSlack * static_cast<double>(size)) {
    block = found->second.block;
    free_bytes_ -= block.size;
    free_.erase(found);
  } else {
    const double most = kSpare * static_cast<double>(most_used_);
    while (!free_.empty() && static_cast<double>(used_bytes_ + free_bytes_ + size) > most)
      release_oldest();
    block = new_block(size);
    if (block.start == nullptr) return {};
  }
  used_bytes_ += block.size;
  most_used_ = std::max(most_used_, used_bytes_);
  return block;
}

bool Pool::keep(void* data) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = used_.find(data);
  if (found == used_.end()) return false;
  const Block block = found->second;
  used_.erase(found);
  free_.emplace(block.size, Free{block, ++turn_});
  used_bytes_ -= block.size;
  free_bytes_ += block.size;
  return true;
}

void Pool::release_oldest() {
  const auto oldest = std::min_element(free_.begin(), free_.end(),
      [](const auto& a, const auto& b) { return a.second.turn < b.second.turn; });
  free_bytes_ -= oldest->second.block.size;
  ::munmap(oldest->second.block.start, oldest->second.block.size);
  free_.erase(oldest);
}

void Pool::trim() {
  const std::lock_guard<std::mutex> lock(mutex_);
  while (!free_.empty()) release_oldest();
  most_used_ = used_bytes_;
}

std::size_t Pool::bytes() {
  const std::lock_guard<std::mutex> lock(mutex_);
  return used_bytes_ + free_bytes_;
}

// Lives as long as the process: tensors may outlive any scope.
Pool*& pool() {
  static Pool* the_pool = nullptr;
  return the_pool;
}

void Pool::give_back(void* data) {
  if (!pool()->keep(data)) return pool()->heap_->raw_deleter()(data);
  c10::profiledCPUMemoryReporter().Delete(data);
}

void trim_heap() {
#ifdef __GLIBC__
  ::malloc_trim(0);
#endif
}

}  // namespace

void use_pool() {
  if (pool() != nullptr) return;
  pool() = new Pool(c10::GetCPUAllocator());
  c10::SetCPUAllocator(pool());
}

void trim_memory() {
  if (pool() != nullptr) pool()->trim();
  trim_heap();
}

void trim_wasteful_heap([[maybe_unused]] std::int64_t anonymous) {
#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 33)
  constexpr double kMostWaste = 0.1;
  const struct mallinfo2 heap = ::mallinfo2();
  const std::size_t used = heap.uordblks + heap.hblkhd + (pool() != nullptr ? pool()->bytes() : 0);
  const auto held = static_cast<double>(anonymous);
  if (held - static_cast<double>(used) > kMostWaste * held) trim_heap();
#endif
}

}  // namespace salf::tensor
