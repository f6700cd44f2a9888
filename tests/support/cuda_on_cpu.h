// Can a CUDA kernel be tested where there is no GPU? What device_kernels.cu needs of CUDA, on the
// CPU: the threads of a block take turns, each running to the next __syncthreads() or shuffle,
// blocks run one after the other. It shows what kernels and launches compute, out-of-bounds
// accesses (with the asan preset) and reads of what another thread has not yet written in this
// order; not races that need true concurrency, and no speed. Include it before the .cu file.
#pragma once

#include <ucontext.h>

#include <cstdint>
#include <cstring>
#include <functional>
#include <stdexcept>
#include <vector>

#define __global__
#define __device__
#define __shared__ static
#define SALF_LAUNCH(kernel, grid, threads, stream, ...) \
  ::cuda_on_cpu::launch(grid, threads, [&] { (kernel)(__VA_ARGS__); })

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

inline Place thread_index, block_index, block_size, grid_size;
inline int shuffles[kMostThreads];

// The block that runs now.
class Block {
 public:
  Block(unsigned threads, const std::function<void()>& body)
      : body_(body), fibers_(threads), stacks_(threads * kStack) {
    running = this;
    for (unsigned i = 0; i < threads; ++i) {
      ucontext_t& fiber = fibers_[i].context;
      ::getcontext(&fiber);
      fiber.uc_stack.ss_sp = stacks_.data() + i * kStack;
      fiber.uc_stack.ss_size = kStack;
      fiber.uc_link = &scheduler_;
      ::makecontext(
          &fiber, [] { running->run_body(); }, 0);
    }
  }

  // Round after round; a thread that has ended takes no more part.
  void run() {
    for (std::size_t left = fibers_.size(); left > 0;) {
      for (now_ = 0; now_ < fibers_.size(); ++now_) {
        if (fibers_[now_].ended) continue;
        thread_index.x = now_;
        ::swapcontext(&scheduler_, &fibers_[now_].context);
        if (fibers_[now_].ended) --left;
      }
    }
  }

  void wait() { ::swapcontext(&fibers_[now_].context, &scheduler_); }

  static inline Block* running = nullptr;

 private:
  struct Fiber {
    ucontext_t context{};
    bool ended = false;
  };

  void run_body() {
    body_();
    fibers_[now_].ended = true;
  }

  const std::function<void()>& body_;
  ucontext_t scheduler_{};
  std::vector<Fiber> fibers_;
  std::vector<char> stacks_;
  unsigned now_ = 0;
};

inline void launch(dim3 grid, unsigned threads, const std::function<void()>& kernel) {
  if (threads == 0 || threads > kMostThreads || grid.x == 0 || grid.y == 0 || grid.y > 65535) {
    throw std::invalid_argument("CUDA refuses this grid");
  }
  block_size.x = threads;
  grid_size = {grid.x, grid.y};
  for (unsigned y = 0; y < grid.y; ++y) {
    for (unsigned x = 0; x < grid.x; ++x) {
      block_index = {x, y};
      Block(threads, kernel).run();
    }
  }
}

}  // namespace cuda_on_cpu

#define threadIdx ::cuda_on_cpu::thread_index
#define blockIdx ::cuda_on_cpu::block_index
#define blockDim ::cuda_on_cpu::block_size
#define gridDim ::cuda_on_cpu::grid_size

inline void __syncthreads() { cuda_on_cpu::Block::running->wait(); }

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

enum cudaError_t { cudaSuccess };
inline cudaError_t cudaSetDevice(int /*device*/) { return cudaSuccess; }
inline cudaError_t cudaGetLastError() { return cudaSuccess; }
inline const char* cudaGetErrorString(cudaError_t /*error*/) { return "no error"; }
