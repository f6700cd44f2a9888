#include "convert/gguf/gguf_weights.h"

#include <ATen/ATen.h>

#include <cstring>

#include "convert/gguf/gguf_layout.h"

namespace salf::convert {

// Note [Rotary rows]
// Hugging Face rotates element i of a head with element i + head_dim/2. llama.cpp's llama
// architecture rotates element 2i with 2i + 1, and its converter reorders the rows of q and k
// within each head: row 2i + p of the file is row p·head_dim/2 + i of Hugging Face's weight (p = 0,
// 1). A row is a whole number of blocks, so each is decoded straight into its place. (The qwen2
// architecture keeps Hugging Face's order.)
struct GgufWeights::Found {
  const GgufTensor& tensor;
  GgufChange change = GgufChange::kNone;
  std::int64_t head_dim = 0;  // of rotary rows; 0: the rows stay in order

  std::int64_t rows() const { return tensor.shape.front(); }
  std::int64_t row_bytes() const { return static_cast<std::int64_t>(tensor.bytes) / rows(); }
  std::int64_t place(std::int64_t row) const {
    if (head_dim == 0) return row;
    const std::int64_t within = row % head_dim;
    return row - within + (within % 2) * (head_dim / 2) + within / 2;
  }
};

GgufWeights::Found GgufWeights::find(const std::string& name) const {
  const GgufPart part = gguf_part(decoder_.model_type, name);
  const bool rotary = part.change == GgufChange::kRotaryRows;
  return {*file_.find(part.name), part.change, rotary ? decoder_.decoder.config.head_dim : 0};
}

at::Tensor GgufWeights::read(const std::string& name) const {
  const Found found = find(name);
  const GgufTensor& tensor = found.tensor;
  at::Tensor weight = at::empty(tensor.shape, at::TensorOptions().dtype(at::kFloat));
  auto* const target = weight.mutable_data_ptr<float>();
  if (found.head_dim == 0) {
    dequantize(tensor.type, file_.data(tensor), tensor.elements, target);
  } else {
    const std::int64_t columns = tensor.elements / found.rows();
    for (std::int64_t row = 0; row < found.rows(); ++row)
      dequantize(tensor.type, file_.data(tensor) + row * found.row_bytes(), columns,
          target + found.place(row) * columns);
  }
  file_.release(tensor);
  if (found.change == GgufChange::kPlusOne) weight.sub_(1.0);
  if (found.change == GgufChange::kTransposed) weight = weight.t().contiguous();
  weight.requires_grad_(true);
  return weight;
}

std::optional<TensorType> GgufWeights::type(const std::string& name) const {
  const Found found = find(name);
  if (found.change == GgufChange::kTransposed) return std::nullopt;
  return found.tensor.type;
}

at::Tensor GgufWeights::encoded(const std::string& name) const {
  const Found found = find(name);
  const std::int64_t width = found.row_bytes();
  at::Tensor bytes = at::empty({found.rows(), width}, at::TensorOptions().dtype(at::kByte));
  auto* const target = bytes.mutable_data_ptr<std::uint8_t>();
  for (std::int64_t row = 0; row < found.rows(); ++row) {
    std::memcpy(target + found.place(row) * width, file_.data(found.tensor) + row * width,
        static_cast<std::size_t>(width));
  }
  file_.release(found.tensor);
  return bytes;
}

}  // namespace salf::convert
