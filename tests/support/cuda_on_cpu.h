// What device_kernels.cu needs of CUDA, on the CPU, to test kernels where there is no GPU: the
// threads of a block take turns, each running to the next __syncthreads() or shuffle, blocks run
// one after the other. It shows what kernels and launches compute, out-of-bounds accesses (with the
// asan preset) and reads of what another thread has not yet written in this order; not races that
// need true concurrency, and no speed. Include it before the .cu file.
#pragma once

#include <ucontext.h>

#include <csetjmp>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <stdexcept>
#include <type_traits>
#include <vector>

#define __global__
#define __device__
#define __shared__ static
#define SALF_LAUNCH(kernel, grid, threads, stream, ...) \
  ::cuda_on_cpu::launch(grid, threads, [&] { ::cuda_on_cpu::call(kernel, __VA_ARGS__); })
// Where a kernel finds what a pointer of its arguments points to.
#ifndef SALF_KERNEL_ADDRESS
#define SALF_KERNEL_ADDRESS(pointer) const_cast<void*>(static_cast<const void*>(pointer))
#endif

struct dim3 {
  unsigned x, y;
  explicit dim3(unsigned columns, unsigned rows = 1) : x(columns), y(rows) {}
};

namespace cuda_on_cpu {

constexpr unsigned kMostThreads = 1024;
constexpr std::size_t kStack = 64 * 1024;

struct Place {
  unsigned x = 0, y = 0;
};

template <class T, class = void> struct HasData : std::false_type {};
template <class T> struct HasData<T, std::void_t<decltype(T::data)>> : std::true_type {};

// An argument as the kernel sees it: a pointer, a structure with a pointer `data`, or a value.
template <class T> T argument(T given) {
  if constexpr (std::is_pointer_v<T>) {
    return static_cast<T>(SALF_KERNEL_ADDRESS(given));
  } else if constexpr (HasData<T>::value) {
    given.data = argument(given.data);
    return given;
  } else {
    return given;
  }
}

template <class... Wanted, class... Given> void call(void (*kernel)(Wanted...), Given... given) {
  kernel(argument<Wanted>(given)...);
}

inline Place thread_index, block_index, block_size, grid_size;
inline int shuffles[kMostThreads];

// The threads of a block, one after the other. They are made once: a kernel has thousands of
// blocks.
class Threads {
 public:
  // Round after round; a thread that has ended takes no more part.
  void run(unsigned count, const std::function<void()>& body) {
    body_ = &body;
    while (fibers_.size() < count) fibers_.push_back(std::make_unique<Fiber>());
    for (unsigned i = 0; i < count; ++i) fibers_[i]->ended = false;
    for (left_ = count; left_ > 0;) {
      for (now_ = 0; now_ < count; ++now_) {
        if (fibers_[now_]->ended) continue;
        thread_index.x = now_;
        go_on(*fibers_[now_]);
        if (fibers_[now_]->ended) --left_;
      }
    }
  }

  // In a thread: the others take their turns.
  void wait() {
    if (_setjmp(fibers_[now_]->place) == 0) _longjmp(scheduler_, 1);
  }

 private:
  struct Fiber {
    std::jmp_buf place;
    bool begun = false, ended = false;
    ucontext_t start{};
    std::unique_ptr<char[]> stack;
  };

  // By jumps: swapcontext() would ask the kernel for the signal mask each time.
  void go_on(Fiber& fiber) {
    if (_setjmp(scheduler_) != 0) return;
    if (fiber.begun) _longjmp(fiber.place, 1);
    begin(fiber);
  }

  static void begin(Fiber& fiber) {
    fiber.begun = true;
    fiber.stack.reset(new char[kStack]);
    ::getcontext(&fiber.start);
    fiber.start.uc_stack.ss_sp = fiber.stack.get();
    fiber.start.uc_stack.ss_size = kStack;
    ::makecontext(&fiber.start, &Threads::live, 0);
    ::setcontext(&fiber.start);
  }

  static void live();

  const std::function<void()>* body_ = nullptr;
  std::jmp_buf scheduler_;
  std::vector<std::unique_ptr<Fiber>> fibers_;
  std::size_t left_ = 0;
  unsigned now_ = 0;
};

inline Threads& threads() {
  static Threads made;
  return made;
}

// A fiber runs one body after the other.
inline void Threads::live() {
  for (Threads& all = threads();;) {
    (*all.body_)();
    all.fibers_[all.now_]->ended = true;
    all.wait();
  }
}

inline void launch(dim3 grid, unsigned threads, const std::function<void()>& kernel) {
  if (threads == 0 || threads > kMostThreads || grid.x == 0 || grid.y == 0 || grid.y > 65535) {
    throw std::invalid_argument("CUDA refuses this grid");
  }
  block_size.x = threads;
  grid_size = {grid.x, grid.y};
  for (unsigned y = 0; y < grid.y; ++y) {
    for (unsigned x = 0; x < grid.x; ++x) {
      block_index = {x, y};
      cuda_on_cpu::threads().run(threads, kernel);
    }
  }
}

}  // namespace cuda_on_cpu

#define threadIdx ::cuda_on_cpu::thread_index
#define blockIdx ::cuda_on_cpu::block_index
#define blockDim ::cuda_on_cpu::block_size
#define gridDim ::cuda_on_cpu::grid_size

inline void __syncthreads() { cuda_on_cpu::threads().wait(); }

// All threads of the block take part at once, which is more than CUDA asks for.
inline float __shfl_xor_sync(unsigned /*lanes*/, float x, int mask) {
  const unsigned self = threadIdx.x;
  std::memcpy(&cuda_on_cpu::shuffles[self], &x, sizeof x);
  __syncthreads();
  float other = 0.0F;
  std::memcpy(&other, &cuda_on_cpu::shuffles[self ^ static_cast<unsigned>(mask)], sizeof other);
  __syncthreads();
  return other;
}

inline float __uint_as_float(std::uint32_t bits) {
  float x = 0.0F;
  std::memcpy(&x, &bits, sizeof x);
  return x;
}
inline std::uint32_t __float_as_uint(float x) {
  std::uint32_t bits = 0;
  std::memcpy(&bits, &x, sizeof bits);
  return bits;
}

enum cudaError_t { cudaSuccess, cudaErrorNoKernelImageForDevice = 209 };
namespace cuda_on_cpu {
inline cudaError_t last_error = cudaSuccess;  // of every launch
}
inline cudaError_t cudaSetDevice(int /*device*/) { return cudaSuccess; }
inline cudaError_t cudaGetLastError() { return cuda_on_cpu::last_error; }
inline const char* cudaGetErrorString(cudaError_t error) {
  return error == cudaSuccess ? "no error"
                              : "no kernel image is available for execution on the device";
}
