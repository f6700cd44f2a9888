#include "tensor/mapped_space.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/from_blob.h>
#include <c10/core/CPUAllocator.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

#include "core/error.h"
#include "core/files.h"
#include "core/log.h"
#include "core/text.h"

namespace salf::tensor {
namespace {

namespace fs = std::filesystem;

// The model, the checkpoints and other programs want to be written too.
constexpr double kShareOfDisk = 0.5;

[[noreturn]] void throw_no_room(
    const fs::path& path, std::uint64_t bytes, const std::string& reason) {
  throw Error(ErrorKind::kIo,
      core::printable_path(path) + ": no room for " + core::format_bytes(bytes) + ": " + reason);
}

std::string text_of(int reason) { return std::generic_category().message(reason); }

void check_share(const fs::path& folder, std::uint64_t bytes) {
  const std::uint64_t free = core::free_disk_bytes(folder);
  if (static_cast<double>(bytes) <= kShareOfDisk * static_cast<double>(free)) return;
  throw_no_room(folder, bytes,
      "the disk has " + core::format_bytes(free) + " left, of which half may be taken");
}

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

// Closes the file. `reserve`: takes the disk space first. nullptr: failed, errno is the reason.
std::unique_ptr<MappedSpace> MappedSpace::map(int file, std::uint64_t bytes, bool reserve) {
  int reason = reserve ? ::posix_fallocate(file, 0, static_cast<off_t>(bytes)) : 0;
  void* start = MAP_FAILED;
  if (reason == 0) {
    start = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    reason = errno;
  }
  ::close(file);
  errno = reason;
  if (start == MAP_FAILED) return nullptr;
  return std::unique_ptr<MappedSpace>(new MappedSpace(static_cast<std::uint8_t*>(start), bytes));
}

std::unique_ptr<MappedSpace> MappedSpace::nameless(const fs::path& folder, std::uint64_t bytes) {
  const std::uint64_t size = std::max<std::uint64_t>(bytes, 1);
  check_share(folder, size);
  std::string name = (folder / ".salf-XXXXXX").string();
  const int file = ::mkostemp(name.data(), O_CLOEXEC);
  if (file < 0) throw_no_room(folder, size, text_of(errno));
  ::unlink(name.c_str());
  std::unique_ptr<MappedSpace> space = map(file, size, true);
  if (!space) throw_no_room(folder, size, text_of(errno));
  return space;
}

std::unique_ptr<MappedSpace> MappedSpace::created(const fs::path& path, std::uint64_t bytes) {
  std::error_code none_there;
  fs::remove(path, none_there);
  check_share(path.parent_path(), bytes);
  const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (file < 0) throw_no_room(path, bytes, text_of(errno));
  if (auto space = map(file, bytes, true)) return space;
  const int reason = errno;
  ::unlink(path.c_str());
  throw_no_room(path, bytes, text_of(reason));
}

std::unique_ptr<MappedSpace> MappedSpace::opened(const fs::path& path, std::uint64_t bytes) {
  const int file = ::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (file < 0) return nullptr;
  struct stat status {};
  if (::fstat(file, &status) == 0 && S_ISREG(status.st_mode) &&
      static_cast<std::uint64_t>(status.st_size) == bytes) {
    return map(file, bytes, false);
  }
  ::close(file);
  return nullptr;
}

MappedSpace::~MappedSpace() { ::munmap(data_, size_); }

void MappedSpace::release() const { ::madvise(data_, size_, MADV_DONTNEED); }

MappedTensors mapped_like(const std::vector<at::Tensor>& tensors, const fs::path& folder) {
  std::uint64_t bytes = 0;
  for (const at::Tensor& tensor : tensors) bytes += aligned(tensor.nbytes());
  MappedTensors copy{MappedSpace::nameless(folder, bytes), {}};
  std::uint8_t* place = copy.space->data();
  for (const at::Tensor& tensor : tensors) {
    const auto keep = [space = copy.space](void*) {};
    copy.tensors.push_back(
        at::from_blob(place, tensor.sizes(), keep, at::TensorOptions(tensor.scalar_type())));
    place += aligned(tensor.nbytes());
  }
  return copy;
}

MappedTensors mapped_copy(const std::vector<at::Tensor>& tensors, const fs::path& folder) {
  const at::NoGradGuard quiet;
  MappedTensors copy = mapped_like(tensors, folder);
  for (std::size_t i = 0; i < tensors.size(); ++i) copy.tensors[i].copy_(tensors[i].detach());
  return copy;
}

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
