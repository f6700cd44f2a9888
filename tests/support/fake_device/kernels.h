// The operators of the fake device: those of the CPU, on the device's memory.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>
#include <c10/core/Storage.h>

namespace salf::fake_device {

inline c10::Device device() { return {c10::kCUDA, 0}; }
bool is_on_device(const at::Tensor& tensor);
// The same elements as a tensor of the CPU, over the kernels' mapping.
at::Tensor as_kernels_see(const at::Tensor& tensor);
// Gives a storage of the device another size; what fits of its bytes stays.
void resize_storage(const c10::Storage& storage, std::size_t bytes);

}  // namespace salf::fake_device
