// Shows the inputs of a model's linear layers while it runs.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>

namespace salf::ops {

// While it lives, linear() and lora_linear() on this thread first call `see` with x [..., I] and
// the weight [O, I]. Watches nest: only the innermost one is called.
class ProductWatch {
 public:
  using See = std::function<void(const at::Tensor& x, const at::Tensor& weight)>;

  explicit ProductWatch(See see);
  ~ProductWatch();
  ProductWatch(const ProductWatch&) = delete;
  ProductWatch& operator=(const ProductWatch&) = delete;

 private:
  See see_;
  See* before_;
};

}  // namespace salf::ops
