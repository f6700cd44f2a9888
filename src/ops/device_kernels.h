// The table of functions that libsalf_cuda.so exports. This file needs neither torch nor CUDA, so
// one program serves machines with and without a GPU.
#pragma once

#include <cstdint>

namespace salf::ops {

enum class Element : std::int32_t { kFloat32, kBFloat16 };

// Rows of contiguous elements, `stride` elements apart.
struct DeviceRows {
  void* data;
  std::int64_t stride;
  Element type;
};

// A tensor [A, B, E, C], contiguous in C. Strides in elements; 0: a broadcast dimension.
struct DeviceHeads {
  void* data;
  std::int64_t strides[3];
  Element type;
};

struct HeadShape {
  std::int64_t a, b, e, width;
};

struct RowShape {
  std::int64_t count, width;
};

// The GPU and its cudaStream_t.
struct DeviceStream {
  int device;
  void* stream;
};

// Each function starts one kernel and returns before it has run. The result is nullptr, or why the
// kernel could not be started. Sums are float32. row_kernels.h says what a row kernel computes.
struct DeviceKernels {
  // `weight` [width]. r [count] is for the backward pass.
  const char* (*rms_norm)(DeviceStream, DeviceRows x, const float* weight, float epsilon, RowShape,
      DeviceRows y, float* r);
  // `weight_sums` [sums, width], zeros before, or nullptr. Row i of x is added to row i mod `sums`,
  // in the order of i (on the CPU: to the row of the thread).
  const char* (*rms_norm_backward)(DeviceStream, DeviceRows dy, DeviceRows x, const float* weight,
      const float* r, RowShape, DeviceRows dx, float* weight_sums, std::int64_t sums);
  // All of one type.
  const char* (*swiglu)(DeviceStream, DeviceRows gate, DeviceRows up, RowShape, DeviceRows y);
  const char* (*swiglu_backward)(DeviceStream, DeviceRows dy, DeviceRows gate, DeviceRows up,
      RowShape, DeviceRows dgate, DeviceRows dup);
  // x and y of one type, the tables float32.
  const char* (*rotary)(
      DeviceStream, DeviceHeads x, DeviceHeads cos, DeviceHeads sin, HeadShape, DeviceHeads y);
  const char* (*rotary_backward)(
      DeviceStream, DeviceHeads dy, DeviceHeads cos, DeviceHeads sin, HeadShape, DeviceHeads dx);
  // `logits` float32; `gradient` may lie where the logits do; losses [count].
  const char* (*cross_entropy)(DeviceStream, DeviceRows logits, const std::int64_t* labels,
      float scale, RowShape, DeviceRows gradient, double* losses);
};

// The version of this table. A library with another version is not used.
constexpr std::int32_t kDeviceKernelsVersion = 2;

}  // namespace salf::ops

// The exported function salf_device_kernels. It gives nullptr for another version than its own.
extern "C" {
using SalfDeviceKernels = const salf::ops::DeviceKernels*(std::int32_t version);
}
