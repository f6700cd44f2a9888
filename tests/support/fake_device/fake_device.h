// A CUDA device that is not there. Loaded before the program asks for CUDA (linked, or named in
// LD_PRELOAD), this libtorch_cuda.so is CUDA to salf, and the CPU's kernels do the work. It finds
// what a machine without a GPU otherwise hides:
//   - the host that reads or writes device memory (SIGSEGV),
//   - operators that mix tensors of the host and of the device,
//   - waits and copies, by counting,
//   - results of copies that the host reads before it waited (they are NaN until then).
// It cannot show types that CUDA's kernels lack, races within a kernel, or speed.
#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace salf::fake_device {

struct Counters {
  std::int64_t kernels = 0;  // ATen's and copies within the device; not those of libsalf_cuda.so
  std::int64_t waits = 0;    // of the host for the device
  std::int64_t copies_to_device = 0, bytes_to_device = 0;
  std::int64_t copies_to_host = 0, bytes_to_host = 0;
  std::int64_t allocations = 0;
  std::map<std::string, std::int64_t> by_operator;  // calls
  std::map<std::string, std::int64_t> by_wait;      // waits, by what waited
};

// Since the process began.
const Counters& counters();

// The allocation with this number (counters().allocations before it) is refused as out of memory;
// -1: none is.
void refuse_allocation(std::int64_t number);

// Bytes that tensors hold, now and at most.
std::int64_t bytes_held();
std::int64_t most_bytes_held();

}  // namespace salf::fake_device

// For processes of their own, environment variables:
//   SALF_FAKE_DEVICE_REPORT=FILE   the counters as JSON, written as the process ends
//   SALF_FAKE_DEVICE_BYTES=N       memory of the device (4 GiB)
//   SALF_FAKE_DEVICE_REFUSE=N      as refuse_allocation(N)
//   SALF_FAKE_DEVICE_LAUNCH=fails  kernels of libsalf_cuda.so cannot be launched
//   SALF_FAKE_DEVICE_OLD=1         the device has no bf16 units

// Where kernels find what tensors point to; other pointers as they are. For libsalf_cuda.so.
extern "C" void* salf_fake_device_address(const void* pointer);
