#include "gguf_weights.h"

#include <ATen/ops/empty.h>

#include "llama_config.h"

namespace salf::convert {
namespace {

// Note [Rotary rows]
// Hugging Face rotates element i of a head with element i + head_dim/2; llama.cpp's llama architecture
// rotates element 2i with 2i + 1, and its converter reorders the rows of q and k within each head to suit:
// row 2i + p of the file is row p·head_dim/2 + i of Hugging Face's weight (p = 0, 1). Rows are whole blocks of
// the encoding, so each is decoded straight into its place. (The qwen2 architecture is stored as it is.)
std::int64_t rotary_target_row(std::int64_t row, std::int64_t head_dim) {
  const std::int64_t head = row / head_dim;
  const std::int64_t within = row % head_dim;
  return head * head_dim + (within % 2) * (head_dim / 2) + within / 2;
}

at::Tensor new_parameter(const std::vector<std::int64_t>& shape) {
  return at::empty(shape, at::TensorOptions().dtype(at::kFloat));
}

void add_block(std::vector<ExpectedTensor>& tensors, const LlamaConfig& config, std::int64_t index) {
  const std::string prefix = "blk." + std::to_string(index) + ".";
  const std::int64_t hidden = config.hidden;
  tensors.push_back({prefix + "attn_norm.weight", {hidden}});
  tensors.push_back({prefix + "attn_q.weight", {config.query_rows(), hidden}});
  tensors.push_back({prefix + "attn_k.weight", {config.kv_rows(), hidden}});
  tensors.push_back({prefix + "attn_v.weight", {config.kv_rows(), hidden}});
  if (config.qkv_bias) {
    tensors.push_back({prefix + "attn_q.bias", {config.query_rows()}});
    tensors.push_back({prefix + "attn_k.bias", {config.kv_rows()}});
    tensors.push_back({prefix + "attn_v.bias", {config.kv_rows()}});
  }
  tensors.push_back({prefix + "attn_output.weight", {hidden, config.query_rows()}});
  tensors.push_back({prefix + "ffn_norm.weight", {hidden}});
  tensors.push_back({prefix + "ffn_gate.weight", {config.feed_forward, hidden}});
  tensors.push_back({prefix + "ffn_up.weight", {config.feed_forward, hidden}});
  tensors.push_back({prefix + "ffn_down.weight", {hidden, config.feed_forward}});
}

}  // namespace

std::vector<ExpectedTensor> llama_tensors(const LlamaConfig& config) {
  std::vector<ExpectedTensor> tensors;
  tensors.push_back({"token_embd.weight", {config.vocabulary, config.hidden}});
  for (std::int64_t i = 0; i < config.blocks; ++i) add_block(tensors, config, i);
  tensors.push_back({"output_norm.weight", {config.hidden}});
  if (!config.tied) tensors.push_back({"output.weight", {config.vocabulary, config.hidden}});
  return tensors;
}

std::string shape_text(const std::vector<std::int64_t>& shape) {
  std::string text = "[";
  for (const std::int64_t size : shape) {
    if (text.size() > 1) text += ", ";
    text += std::to_string(size);
  }
  return text + "]";
}

at::Tensor read_weight(const GgufFile& file, const std::string& name) {
  const GgufTensor& tensor = *file.find(name);
  at::Tensor weight = new_parameter(tensor.shape);
  dequantize(tensor.type, file.data(tensor), tensor.elements, weight.mutable_data_ptr<float>());
  weight.requires_grad_(true);
  return weight;
}

at::Tensor read_rotary_weight(const GgufFile& file, const std::string& name, std::int64_t head_dim) {
  const GgufTensor& tensor = *file.find(name);
  at::Tensor weight = new_parameter(tensor.shape);
  const std::int64_t rows = tensor.shape.front();
  const std::int64_t columns = tensor.elements / rows;
  const std::int64_t row_bytes = static_cast<std::int64_t>(tensor.bytes) / rows;
  auto* target = weight.mutable_data_ptr<float>();
  for (std::int64_t row = 0; row < rows; ++row) {
    dequantize(tensor.type, file.data(tensor) + row * row_bytes, columns,
               target + rotary_target_row(row, head_dim) * columns);
  }
  weight.requires_grad_(true);
  return weight;
}

}  // namespace salf::convert
