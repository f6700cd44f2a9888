#include <c10/core/CPUAllocator.h>

#include <cstdint>
#include <utility>

#include "tensor/mapped_space.h"

namespace salf::tensor {
namespace {

constexpr std::size_t kSmall = std::size_t{1} << 16;  // bytes; smaller ones stay on the heap

void free_space(void* space) { delete static_cast<MappedSpace*>(space); }

class MappedAllocator final : public c10::Allocator {
 public:
  MappedAllocator(std::filesystem::path folder, c10::Allocator* heap)
      : folder_(std::move(folder)), heap_(heap) {}

  c10::DataPtr allocate(std::size_t bytes) override {
    if (bytes < kSmall) return heap_->allocate(bytes);
    MappedSpace* const space = MappedSpace::nameless(folder_, bytes).release();
    return {space->data(), space, &free_space, c10::Device(c10::kCPU)};
  }
  void copy_data(void* to, const void* from, std::size_t bytes) const override {
    default_copy_data(to, from, bytes);
  }

 private:
  std::filesystem::path folder_;
  c10::Allocator* heap_;
};

}  // namespace

MappedAllocations::MappedAllocations(const std::filesystem::path& folder)
    : heap_(c10::GetCPUAllocator()), mapped_(std::make_unique<MappedAllocator>(folder, heap_)) {
  c10::SetCPUAllocator(mapped_.get());
}

MappedAllocations::~MappedAllocations() { c10::SetCPUAllocator(heap_); }

void release_pages(const at::Tensor& tensor) {
  // Only memory of a MappedSpace is known to come back from a file.
  const c10::DataPtr& data = tensor.storage().data_ptr();
  if (data.get_deleter() != &free_space) return;
  static_cast<const MappedSpace*>(data.get_context())->release();
}

}  // namespace salf::tensor
