// What can be done to tensors in a GPU's memory? The functions that libsalf_cuda.so exports.
// Neither torch nor CUDA is needed to read this file, so that one program serves machines with a
// GPU and without.
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

// A tensor [A, B, E, C] whose last dimension is contiguous; strides in elements, 0 where it is
// broadcast.
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

// Where a kernel runs: the number of the GPU and its cudaStream_t.
struct DeviceStream {
  int device;
  void* stream;
};

// Each function starts one kernel and returns before it has run; nullptr, or why it could not be
// started. Sums and what happens between load and store are float32. What a row kernel computes is
// said in row_kernels.h.
struct DeviceKernels {
  // y in its own type; r [count] is what the backward pass needs. `weight` [width].
  const char* (*rms_norm)(DeviceStream, DeviceRows x, const float* weight, float epsilon, RowShape,
      DeviceRows y, float* r);
  // `weight_sums` [sums, width], zeros before, or nullptr: row i of x is added to row i mod `sums`,
  // in the order of i.
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
  // `logits` float32; losses [count].
  const char* (*cross_entropy)(DeviceStream, DeviceRows logits, const std::int64_t* labels,
      float scale, RowShape, double* losses);
};

// The version of this file that a library was built for: libraries of another one are not used.
constexpr std::int32_t kDeviceKernelsVersion = 1;

}  // namespace salf::ops

// What the library exports. `salf_device_kernels` gives nullptr to another version than its own.
extern "C" {
using SalfDeviceKernels = const salf::ops::DeviceKernels*(std::int32_t version);
}
