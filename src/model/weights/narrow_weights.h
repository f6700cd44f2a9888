// Copies of weights in a narrower type, the factors of matrix products.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>
#include <c10/core/ScalarType.h>

#include <cstdint>
#include <mutex>
#include <unordered_map>

namespace salf::model {

// A copy follows its parameter: it is made when it is first asked for, and made anew where the
// parameter was written or moved since. All members may be called by several threads.
class NarrowWeights {
 public:
  // The copies lie on `device`, wherever the parameters do.
  explicit NarrowWeights(c10::ScalarType type, c10::Device device = c10::kCPU)
      : type_(type), device_(device) {}

  c10::ScalarType type() const { return type_; }

  // The parameter in this type, detached. A parameter of this type is its own copy.
  at::Tensor of(const at::Tensor& parameter);

  // Gives the copy's memory back; of() makes it again.
  void forget(const at::Tensor& parameter);

  // The copy, for whoever is about to write the parameter and the copy together; undefined where
  // there is none. written() says that both are done.
  at::Tensor to_write(const at::Tensor& parameter) const;
  void written(const at::Tensor& parameter);

  // Says that the parameter's bytes have another place since the copy was made. A copy from before
  // the parameter's last change is made anew all the same.
  void moved(const at::Tensor& parameter);

  // Bytes of all copies.
  std::int64_t bytes() const;

 private:
  struct Copy {
    at::Tensor parameter;  // keeps the key's address taken
    at::Tensor tensor;
    const void* data = nullptr;  // of the parameter, when the copy was made
    std::int64_t version = 0;
  };

  c10::ScalarType type_;
  c10::Device device_;
  mutable std::mutex mutex_;
  std::unordered_map<const c10::TensorImpl*, Copy> copies_;
};

// A parameter that holds other values for a while, such as its own in a narrower type. Programs
// that are made meanwhile are those of the model as it was loaded (rewrites/known_values.h).
class Substitute {
 public:
  Substitute(at::Tensor parameter, const at::Tensor& values);
  // The parameter has `values` again that it had. REQUIRES: once
  void end(const at::Tensor& values);
  static bool is_in(const at::Tensor& parameter);

 private:
  at::Tensor parameter_;
};

}  // namespace salf::model
