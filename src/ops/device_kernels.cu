// The kernels of libsalf_cuda.so. Each moves a tensor through the processor once (cross entropy:
// twice), in packs of 16 bytes of float32 or 8 of bfloat16 where its memory is aligned. Tests
// compile this file for the CPU too, with tests/support/cuda_on_cpu.h in place of CUDA.
#ifdef __CUDACC__
#include <cuda_runtime.h>
#define SALF_LAUNCH(kernel, grid, threads, stream, ...) \
  kernel<<<grid, threads, 0, static_cast<cudaStream_t>(stream)>>>(__VA_ARGS__)
#endif

#include <cmath>
#include <cstddef>
#include <cstdint>

#include "ops/device_kernels.h"

namespace salf::ops {
namespace {

using Index = std::int64_t;

constexpr int kWarp = 32;
constexpr int kMostThreads = 256;       // of a block
constexpr Index kMostGridRows = 65535;  // CUDA's limit of a grid's second dimension
constexpr unsigned kAllLanes = 0xFFFFFFFFU;

struct BFloat16 {
  std::uint16_t bits;
};

__device__ inline float load(float x) { return x; }
__device__ inline float load(BFloat16 x) {
  return __uint_as_float(static_cast<std::uint32_t>(x.bits) << 16U);
}

__device__ inline void store(float& y, float x) { y = x; }
// Rounds to the nearest, to even at half way; NaN stays NaN.
__device__ inline void store(BFloat16& y, float x) {
  const std::uint32_t bits = __float_as_uint(x);
  const std::uint32_t rounded = (bits + 0x7FFFU + ((bits >> 16U) & 1U)) >> 16U;
  y.bits = static_cast<std::uint16_t>(x == x ? rounded : 0x7FC0U);
}

// N elements that one instruction moves.
template <class T, int N> struct alignas(sizeof(T) * static_cast<std::size_t>(N)) Pack {
  T at[static_cast<std::size_t>(N)];
};

template <class T> struct Rows {
  T* data;
  Index stride;
  template <int N> __device__ Pack<T, N>& pack(Index row, Index number) const {
    return reinterpret_cast<Pack<T, N>*>(data + row * stride)[number];
  }
};

__device__ inline float warp_sum(float x) {
  for (int offset = kWarp / 2; offset > 0; offset /= 2) x += __shfl_xor_sync(kAllLanes, x, offset);
  return x;
}

// The sum over the block's threads, the same bits for each. All threads call it.
__device__ inline float block_sum(float x) {
  __shared__ float parts[kWarp];
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const int warp = static_cast<int>(threadIdx.x) / kWarp;
  x = warp_sum(x);
  if (lane == 0) parts[warp] = x;
  __syncthreads();
  x = warp_sum(lane < static_cast<int>(blockDim.x) / kWarp ? parts[lane] : 0.0F);
  __syncthreads();  // before the next call writes to parts
  return x;
}

// One block a row. See RowKernels::rms_norm.
template <class X, class Y, int N> __global__ void rms_norm_kernel(
    Rows<X> x, const float* weight, float epsilon, Index width, Rows<Y> y, float* r) {
  const Index row = blockIdx.x;
  float square = 0.0F;
  for (Index i = threadIdx.x; i < width / N; i += blockDim.x) {
    const Pack<X, N> in = x.template pack<N>(row, i);
    for (int k = 0; k < N; ++k) square += load(in.at[k]) * load(in.at[k]);
  }
  const float inverse = 1.0F / sqrtf(block_sum(square) / static_cast<float>(width) + epsilon);
  if (threadIdx.x == 0) r[row] = inverse;
  for (Index i = threadIdx.x; i < width / N; i += blockDim.x) {
    const Pack<X, N> in = x.template pack<N>(row, i);
    const auto& w = reinterpret_cast<const Pack<float, N>*>(weight)[i];
    Pack<Y, N> out;
    for (int k = 0; k < N; ++k) store(out.at[k], load(in.at[k]) * inverse * w.at[k]);
    y.template pack<N>(row, i) = out;
  }
}

// Block b adds rows b, b + blocks, … to its own sums. See RowKernels::rms_norm_backward.
template <class X, class Y, int N> __global__ void rms_norm_backward_kernel(Rows<Y> dy, Rows<X> x,
    const float* weight, const float* r, RowShape shape, Rows<X> dx, float* weight_sums) {
  const Index packs = shape.width / N;
  for (Index row = blockIdx.x; row < shape.count; row += gridDim.x) {
    float product = 0.0F;
    for (Index i = threadIdx.x; i < packs; i += blockDim.x) {
      const Pack<X, N> in = x.template pack<N>(row, i);
      const Pack<Y, N> slope = dy.template pack<N>(row, i);
      const auto& w = reinterpret_cast<const Pack<float, N>*>(weight)[i];
      for (int k = 0; k < N; ++k) product += load(slope.at[k]) * w.at[k] * load(in.at[k]);
    }
    const float inverse = r[row];
    const float shift = block_sum(product) / static_cast<float>(shape.width) * inverse * inverse;
    for (Index i = threadIdx.x; i < packs; i += blockDim.x) {
      const Pack<X, N> in = x.template pack<N>(row, i);
      const Pack<Y, N> slope = dy.template pack<N>(row, i);
      const auto& w = reinterpret_cast<const Pack<float, N>*>(weight)[i];
      Pack<X, N> out;
      for (int k = 0; k < N; ++k) {
        store(out.at[k], inverse * (load(slope.at[k]) * w.at[k] - load(in.at[k]) * shift));
      }
      dx.template pack<N>(row, i) = out;
      if (weight_sums == nullptr) continue;
      float* const sums = weight_sums + blockIdx.x * shape.width + i * N;
      for (int k = 0; k < N; ++k) sums[k] += load(slope.at[k]) * load(in.at[k]) * inverse;
    }
  }
}

__device__ inline float sigmoid(float x) { return 1.0F / (1.0F + expf(-x)); }

// The grid's second dimension goes over rows. See RowKernels::swiglu.
template <class T, int N>
__global__ void swiglu_kernel(Rows<T> gate, Rows<T> up, RowShape shape, Rows<T> y) {
  const Index i = static_cast<Index>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i >= shape.width / N) return;
  for (Index row = blockIdx.y; row < shape.count; row += gridDim.y) {
    const Pack<T, N> g = gate.template pack<N>(row, i);
    const Pack<T, N> u = up.template pack<N>(row, i);
    Pack<T, N> out;
    for (int k = 0; k < N; ++k)
      store(out.at[k], load(g.at[k]) * sigmoid(load(g.at[k])) * load(u.at[k]));
    y.template pack<N>(row, i) = out;
  }
}

template <class T, int N> __global__ void swiglu_backward_kernel(
    Rows<T> dy, Rows<T> gate, Rows<T> up, RowShape shape, Rows<T> dgate, Rows<T> dup) {
  const Index i = static_cast<Index>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i >= shape.width / N) return;
  for (Index row = blockIdx.y; row < shape.count; row += gridDim.y) {
    const Pack<T, N> d = dy.template pack<N>(row, i);
    const Pack<T, N> g = gate.template pack<N>(row, i);
    const Pack<T, N> u = up.template pack<N>(row, i);
    Pack<T, N> to_gate;
    Pack<T, N> to_up;
    for (int k = 0; k < N; ++k) {
      const float s = sigmoid(load(g.at[k]));
      const float silu = load(g.at[k]) * s;
      store(to_up.at[k], load(d.at[k]) * silu);
      store(to_gate.at[k], load(d.at[k]) * load(u.at[k]) * (s + silu * (1.0F - s)));
    }
    dgate.template pack<N>(row, i) = to_gate;
    dup.template pack<N>(row, i) = to_up;
  }
}

template <class T> struct Heads {
  T* data;
  Index strides[3];
  __device__ T* at(Index a, Index b, Index e) const {
    return data + a * strides[0] + b * strides[1] + e * strides[2];
  }
};

// One warp a head. See RowKernels::rotary. The backward pass turns back, by the other half's sines.
template <class T, bool kBackward> __global__ void rotary_kernel(
    Heads<const T> x, Heads<const float> cos, Heads<const float> sin, HeadShape shape, Heads<T> y) {
  const Index half = shape.width / 2;
  const Index warps = blockDim.x / kWarp;
  const Index heads = shape.a * shape.b * shape.e;
  for (Index head = blockIdx.x * warps + threadIdx.x / kWarp; head < heads;
       head += gridDim.x * warps) {
    const Index e = head % shape.e;
    const Index b = head / shape.e % shape.b;
    const Index a = head / shape.e / shape.b;
    const T* const in = x.at(a, b, e);
    const float* const c = cos.at(a, b, e);
    const float* const s = sin.at(a, b, e);
    T* const out = y.at(a, b, e);
    for (Index i = threadIdx.x % kWarp; i < half; i += kWarp) {
      const float low = load(in[i]);
      const float high = load(in[i + half]);
      store(out[i], low * c[i] + high * s[kBackward ? i + half : i]);
      store(out[i + half], high * c[i + half] + low * s[kBackward ? i : i + half]);
    }
  }
}

// Σ e^(x − largest) of the logits that were seen.
struct SoftmaxSum {
  float largest, sum;
};

__device__ inline void add(SoftmaxSum& to, float logit) {
  if (logit > to.largest) {
    to.sum = to.sum * expf(to.largest - logit) + 1.0F;
    to.largest = logit;
  } else if (logit != -INFINITY) {
    to.sum += expf(logit - to.largest);  // NaN comes here, and stays
  }
}

__device__ inline SoftmaxSum joined(SoftmaxSum a, SoftmaxSum b) {
  const float largest = a.largest > b.largest ? a.largest : b.largest;
  if (largest == -INFINITY) return {largest, a.sum + b.sum};  // nothing but −∞ or NaN was seen
  return {largest, a.sum * expf(a.largest - largest) + b.sum * expf(b.largest - largest)};
}

__device__ inline SoftmaxSum warp_joined(SoftmaxSum x) {
  for (int offset = kWarp / 2; offset > 0; offset /= 2) {
    const SoftmaxSum other{
        __shfl_xor_sync(kAllLanes, x.largest, offset), __shfl_xor_sync(kAllLanes, x.sum, offset)};
    x = joined(x, other);
  }
  return x;
}

// One block a row. See RowKernels::cross_entropy.
template <class T, int N> __global__ void cross_entropy_kernel(Rows<float> logits,
    const Index* labels, float scale, Index width, Rows<T> gradient, double* losses) {
  __shared__ SoftmaxSum parts[kWarp];
  const Index row = blockIdx.x;
  const Index label = labels[row];
  const float at_label =
      logits.data[row * logits.stride + label];  // read by all before one of them overwrites it
  SoftmaxSum seen{-INFINITY, 0.0F};
  for (Index i = threadIdx.x; i < width / N; i += blockDim.x) {
    const Pack<float, N> in = logits.template pack<N>(row, i);
    for (int k = 0; k < N; ++k) add(seen, in.at[k]);
  }
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  seen = warp_joined(seen);
  if (lane == 0) parts[threadIdx.x / kWarp] = seen;
  __syncthreads();
  seen = warp_joined(
      lane < static_cast<int>(blockDim.x) / kWarp ? parts[lane] : SoftmaxSum{-INFINITY, 0.0F});
  const float factor = scale / seen.sum;
  for (Index i = threadIdx.x; i < width / N; i += blockDim.x) {
    const Pack<float, N> in = logits.template pack<N>(row, i);
    Pack<T, N> out;
    for (int k = 0; k < N; ++k) {
      const float slope =
          expf(in.at[k] - seen.largest) * factor - (i * N + k == label ? scale : 0.0F);
      store(out.at[k], slope);
    }
    gradient.template pack<N>(row, i) = out;
  }
  if (threadIdx.x == 0) {
    losses[row] = log(static_cast<double>(seen.sum)) -
                  (static_cast<double>(at_label) - static_cast<double>(seen.largest));
  }
}

// The host's side: types, packs and the size of the grid.

constexpr int kPack = 4;

template <class T> Rows<T> rows(const DeviceRows& from) {
  return {static_cast<T*>(from.data), from.stride};
}

template <class T> Heads<T> heads(const DeviceHeads& from) {
  return {static_cast<T*>(from.data), {from.strides[0], from.strides[1], from.strides[2]}};
}

Index bytes(Element type) { return type == Element::kFloat32 ? 4 : 2; }

bool is_aligned(const void* data, Element type) {
  return reinterpret_cast<std::uintptr_t>(data) %
             static_cast<std::uintptr_t>(kPack * bytes(type)) ==
         0;
}
bool packs(const DeviceRows& rows) {
  return rows.stride % kPack == 0 && is_aligned(rows.data, rows.type);
}

// Calls `work` with the pack size (4 where everything is aligned, else 1) and the packs of a row.
template <int N> struct PackOf { static constexpr int kSize = N; };
template <class Work> void with_packs(bool aligned, Index width, const Work& work) {
  if (aligned && width % kPack == 0) return work(PackOf<kPack>{}, width / kPack);
  work(PackOf<1>{}, width);
}

template <class T> struct TypeOf { using Type = T; };
template <class Work> void with_type(Element type, const Work& work) {
  if (type == Element::kFloat32) return work(TypeOf<float>{});
  work(TypeOf<BFloat16>{});
}

// Whole warps, as many as the work of a row can use.
unsigned threads_for(Index items) {
  const Index warps = (items + kWarp - 1) / kWarp;
  const Index most = kMostThreads / kWarp;
  return static_cast<unsigned>((warps < 1 ? 1 : warps < most ? warps : most) * kWarp);
}

dim3 row_grid(Index items, unsigned threads, Index count) {
  return dim3(static_cast<unsigned>((items + threads - 1) / threads),
      static_cast<unsigned>(count < kMostGridRows ? count : kMostGridRows));
}

// CUDA refuses an empty grid.
bool is_empty(RowShape shape) { return shape.count == 0 || shape.width == 0; }

const char* select_device(DeviceStream stream) {
  const cudaError_t failed = cudaSetDevice(stream.device);
  return failed == cudaSuccess ? nullptr : cudaGetErrorString(failed);
}

const char* launched() {
  const cudaError_t failed = cudaGetLastError();
  return failed == cudaSuccess ? nullptr : cudaGetErrorString(failed);
}

const char* rms_norm(DeviceStream on, DeviceRows x, const float* weight, float epsilon,
    RowShape shape, DeviceRows y, float* r) {
  if (is_empty(shape)) return nullptr;
  if (const char* const failed = select_device(on)) return failed;
  const bool aligned = packs(x) && packs(y) && is_aligned(weight, Element::kFloat32);
  with_type(x.type, [&](auto in) {
    with_type(y.type, [&](auto out) {
      with_packs(aligned, shape.width, [&](auto pack, Index items) {
        using X = typename decltype(in)::Type;
        using Y = typename decltype(out)::Type;
        auto* const kernel = rms_norm_kernel<X, Y, decltype(pack)::kSize>;
        SALF_LAUNCH(kernel, dim3(static_cast<unsigned>(shape.count)), threads_for(items), on.stream,
            rows<X>(x), weight, epsilon, shape.width, rows<Y>(y), r);
      });
    });
  });
  return launched();
}

const char* rms_norm_backward(DeviceStream on, DeviceRows dy, DeviceRows x, const float* weight,
    const float* r, RowShape shape, DeviceRows dx, float* weight_sums, Index sums) {
  if (is_empty(shape)) return nullptr;
  if (const char* const failed = select_device(on)) return failed;
  const bool aligned = packs(dy) && packs(x) && packs(dx) && is_aligned(weight, Element::kFloat32);
  const Index blocks = sums < shape.count ? sums : shape.count;
  with_type(x.type, [&](auto in) {
    with_type(dy.type, [&](auto out) {
      with_packs(aligned, shape.width, [&](auto pack, Index items) {
        using X = typename decltype(in)::Type;
        using Y = typename decltype(out)::Type;
        auto* const kernel = rms_norm_backward_kernel<X, Y, decltype(pack)::kSize>;
        SALF_LAUNCH(kernel, dim3(static_cast<unsigned>(blocks)), threads_for(items), on.stream,
            rows<Y>(dy), rows<X>(x), weight, r, shape, rows<X>(dx), weight_sums);
      });
    });
  });
  return launched();
}

const char* swiglu(DeviceStream on, DeviceRows gate, DeviceRows up, RowShape shape, DeviceRows y) {
  if (is_empty(shape)) return nullptr;
  if (const char* const failed = select_device(on)) return failed;
  with_type(gate.type, [&](auto type) {
    with_packs(packs(gate) && packs(up) && packs(y), shape.width, [&](auto pack, Index items) {
      using T = typename decltype(type)::Type;
      const unsigned threads = threads_for(items);
      auto* const kernel = swiglu_kernel<T, decltype(pack)::kSize>;
      SALF_LAUNCH(kernel, row_grid(items, threads, shape.count), threads, on.stream, rows<T>(gate),
          rows<T>(up), shape, rows<T>(y));
    });
  });
  return launched();
}

const char* swiglu_backward(DeviceStream on, DeviceRows dy, DeviceRows gate, DeviceRows up,
    RowShape shape, DeviceRows dgate, DeviceRows dup) {
  if (is_empty(shape)) return nullptr;
  if (const char* const failed = select_device(on)) return failed;
  const bool aligned = packs(dy) && packs(gate) && packs(up) && packs(dgate) && packs(dup);
  with_type(gate.type, [&](auto type) {
    with_packs(aligned, shape.width, [&](auto pack, Index items) {
      using T = typename decltype(type)::Type;
      const unsigned threads = threads_for(items);
      auto* const kernel = swiglu_backward_kernel<T, decltype(pack)::kSize>;
      SALF_LAUNCH(kernel, row_grid(items, threads, shape.count), threads, on.stream, rows<T>(dy),
          rows<T>(gate), rows<T>(up), shape, rows<T>(dgate), rows<T>(dup));
    });
  });
  return launched();
}

template <bool kBackward> const char* turn(DeviceStream on, DeviceHeads x, DeviceHeads cos,
    DeviceHeads sin, HeadShape shape, DeviceHeads y) {
  const Index count = shape.a * shape.b * shape.e;
  if (count == 0 || shape.width == 0) return nullptr;
  if (const char* const failed = select_device(on)) return failed;
  constexpr Index kMostBlocks = 1 << 20;
  const Index blocks = (count * kWarp + kMostThreads - 1) / kMostThreads;
  with_type(x.type, [&](auto type) {
    using T = typename decltype(type)::Type;
    auto* const kernel = rotary_kernel<T, kBackward>;
    SALF_LAUNCH(kernel, dim3(static_cast<unsigned>(blocks < kMostBlocks ? blocks : kMostBlocks)),
        static_cast<unsigned>(kMostThreads), on.stream, heads<const T>(x), heads<const float>(cos),
        heads<const float>(sin), shape, heads<T>(y));
  });
  return launched();
}

const char* cross_entropy(DeviceStream on, DeviceRows logits, const Index* labels, float scale,
    RowShape shape, DeviceRows gradient, double* losses) {
  if (is_empty(shape)) return nullptr;
  if (const char* const failed = select_device(on)) return failed;
  with_type(gradient.type, [&](auto type) {
    using T = typename decltype(type)::Type;
    with_packs(packs(logits) && packs(gradient), shape.width, [&](auto pack, Index items) {
      auto* const kernel = cross_entropy_kernel<T, decltype(pack)::kSize>;
      SALF_LAUNCH(kernel, dim3(static_cast<unsigned>(shape.count)), threads_for(items), on.stream,
          rows<float>(logits), labels, scale, shape.width, rows<T>(gradient), losses);
    });
  });
  return launched();
}

}  // namespace
}  // namespace salf::ops

extern "C" __attribute__((visibility("default"))) const salf::ops::DeviceKernels*
salf_device_kernels(std::int32_t version) {
  using namespace salf::ops;
  static const DeviceKernels kernels{
      rms_norm, rms_norm_backward, swiglu, swiglu_backward, turn<false>, turn<true>, cross_entropy};
  return version == kDeviceKernelsVersion ? &kernels : nullptr;
}
