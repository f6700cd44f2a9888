// Tensors in mapped files, for data that is used now and then, such as a cache. Their pages count
// as file cache, and the system takes them back when memory is short.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <vector>

namespace salf::tensor {

// Rounded up to what LibTorch aligns its own tensors to.
constexpr std::uint64_t aligned(std::uint64_t bytes) { return (bytes + 63) / 64 * 64; }

// Writable bytes of a file. Disk space is reserved at once: a full disk is no signal later.
class MappedSpace {
 public:
  // A file in `folder` that is unlinked at once, so nothing is left behind. Throws Error(kIo) where
  // it would take more than half of the disk's free space.
  static std::unique_ptr<MappedSpace> nameless(
      const std::filesystem::path& folder, std::uint64_t bytes);
  // A new file of zeros; replaces an existing one. Throws as nameless() does.
  static std::unique_ptr<MappedSpace> created(
      const std::filesystem::path& path, std::uint64_t bytes);
  // An existing file; nullptr if it is no writable regular file of this size.
  static std::unique_ptr<MappedSpace> opened(
      const std::filesystem::path& path, std::uint64_t bytes);
  ~MappedSpace();
  MappedSpace(const MappedSpace&) = delete;
  MappedSpace& operator=(const MappedSpace&) = delete;

  std::uint8_t* data() const { return data_; }
  std::uint64_t size() const { return size_; }
  // Gives its pages back to the system. Later access reads them from the file.
  void release() const;

 private:
  MappedSpace(std::uint8_t* data, std::uint64_t size) : data_(data), size_(size) {}
  static std::unique_ptr<MappedSpace> map(int file, std::uint64_t bytes, bool reserve);

  std::uint8_t* data_;
  std::uint64_t size_;
};

// Tensors of the same types and shapes, contiguous, in one space.
struct MappedTensors {
  // Shared with the tensors' storages.
  std::shared_ptr<MappedSpace> space;
  std::vector<at::Tensor> tensors;
};
// Zeros like these tensors in a nameless file, and a copy of CPU tensors. Throws as
// MappedSpace::nameless does.
MappedTensors mapped_like(
    const std::vector<at::Tensor>& tensors, const std::filesystem::path& folder);
MappedTensors mapped_copy(
    const std::vector<at::Tensor>& tensors, const std::filesystem::path& folder);

// While one lives, large tensors that LibTorch makes on the CPU lie in nameless files of a folder,
// so that a model larger than memory can be loaded. Not for several threads at once.
class MappedAllocations {
 public:
  explicit MappedAllocations(const std::filesystem::path& folder);
  ~MappedAllocations();
  MappedAllocations(const MappedAllocations&) = delete;
  MappedAllocations& operator=(const MappedAllocations&) = delete;

 private:
  c10::Allocator* heap_;
  std::unique_ptr<c10::Allocator> mapped_;
};

// Gives the pages of a contiguous tensor in a mapped file back. No effect on one of the heap.
void release_pages(const at::Tensor& tensor);

}  // namespace salf::tensor
