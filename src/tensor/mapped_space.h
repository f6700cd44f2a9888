// Where do tensors live that are needed now and then, such as a cache? In a mapped file: its pages
// count as file cache, not as anonymous memory, and the system takes them back when memory is
// short.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace salf::tensor {

// Rounded up to what LibTorch aligns its own tensors to.
constexpr std::uint64_t aligned(std::uint64_t bytes) { return (bytes + 63) / 64 * 64; }

// Bytes of a file, readable and writable, all of their disk space reserved: a full disk shows when
// this is made, not as a signal in the middle of a run.
class MappedSpace {
 public:
  // Of a file in `folder` that is unlinked at once, so that nothing is left behind however the
  // process ends. Throws Error(kIo) where more than half of the disk's free space would be taken.
  static std::unique_ptr<MappedSpace> nameless(
      const std::filesystem::path& folder, std::uint64_t bytes);
  // Of a new file, zeros; one that is there is replaced. Throws as nameless() does.
  static std::unique_ptr<MappedSpace> created(
      const std::filesystem::path& path, std::uint64_t bytes);
  // Of a file that is there; null if it is no regular file of this size that can be written.
  static std::unique_ptr<MappedSpace> opened(
      const std::filesystem::path& path, std::uint64_t bytes);
  ~MappedSpace();
  MappedSpace(const MappedSpace&) = delete;
  MappedSpace& operator=(const MappedSpace&) = delete;

  std::uint8_t* data() const { return data_; }
  std::uint64_t size() const { return size_; }
  // The process gives up its pages; they come back from the file when they are touched.
  void release() const;

 private:
  MappedSpace(std::uint8_t* data, std::uint64_t size) : data_(data), size_(size) {}
  static std::unique_ptr<MappedSpace> map(int file, std::uint64_t bytes);

  std::uint8_t* data_;
  std::uint64_t size_;
};

// Tensors of the same types and shapes, contiguous, in one space.
struct MappedTensors {
  // Shared with the tensors' storages: it lives as long as any of them.
  std::shared_ptr<MappedSpace> space;
  std::vector<at::Tensor> tensors;
};
// A copy of CPU tensors in a nameless file. Throws as MappedSpace::nameless does.
MappedTensors mapped_copy(
    const std::vector<at::Tensor>& tensors, const std::filesystem::path& folder);

// While one lives, large tensors that LibTorch makes on the CPU lie in nameless files of a folder:
// so a model can be loaded that memory could not hold. Not for several threads at once.
class MappedAllocations {
 public:
  explicit MappedAllocations(const std::filesystem::path& folder);
  ~MappedAllocations();
  MappedAllocations(const MappedAllocations&) = delete;
  MappedAllocations& operator=(const MappedAllocations&) = delete;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

// The pages of a contiguous tensor that lies in a mapped file leave memory until they are touched.
// A tensor of the heap is left as it is.
void release_pages(const at::Tensor& tensor);

}  // namespace salf::tensor
