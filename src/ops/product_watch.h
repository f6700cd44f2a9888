// What do a model's layers multiply by their weights, while it runs?
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>

namespace salf::ops {

// Within its life, `see` is called on this thread before each linear() and lora_linear(), with x
// [..., I] and the weight [O, I] as they are given. They nest: the innermost one sees.
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
