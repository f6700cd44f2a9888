#include "convert/gguf/gguf_weights.h"

#include <ATen/ops/empty.h>

#include <cstring>
#include <map>

namespace salf::convert {
namespace {

// Note [Rotary rows]
// Hugging Face rotates element i of a head with element i + head_dim/2; llama.cpp's llama
// architecture rotates element 2i with 2i + 1, and its converter reorders the rows of q and k
// within each head to suit: row 2i + p of the file is row p·head_dim/2 + i of Hugging Face's weight
// (p = 0, 1). Rows are whole blocks of the encoding, so each is decoded straight into its place.
// (The qwen2 architecture is stored as it is.)
std::int64_t rotary_target_row(std::int64_t row, std::int64_t head_dim) {
  const std::int64_t head = row / head_dim;
  const std::int64_t within = row % head_dim;
  return head * head_dim + (within % 2) * (head_dim / 2) + within / 2;
}

// Within a block, without the kind of the parameter.
const std::map<std::string, std::string>& block_names() {
  static const std::map<std::string, std::string> kNames = {{"self_attn.q_proj", "attn_q"},
      {"self_attn.k_proj", "attn_k"}, {"self_attn.v_proj", "attn_v"},
      {"self_attn.o_proj", "attn_output"}, {"mlp.gate_proj", "ffn_gate"}, {"mlp.up_proj", "ffn_up"},
      {"mlp.down_proj", "ffn_down"}, {"input_layernorm", "attn_norm"},
      {"post_attention_layernorm", "ffn_norm"}};
  return kNames;
}

bool is_rotated(const std::string& name) {
  return name.find(".q_proj.") != std::string::npos || name.find(".k_proj.") != std::string::npos;
}

// Rows [heads * head_dim, …] out of llama.cpp's rotary order. See Note [Rotary rows].
void decode_rotary(
    const GgufFile& file, const GgufTensor& tensor, std::int64_t head_dim, float* target) {
  const std::int64_t rows = tensor.shape.front();
  const std::int64_t columns = tensor.elements / rows;
  const std::int64_t row_bytes = static_cast<std::int64_t>(tensor.bytes) / rows;
  for (std::int64_t row = 0; row < rows; ++row) {
    dequantize(tensor.type, file.data(tensor) + row * row_bytes, columns,
        target + rotary_target_row(row, head_dim) * columns);
  }
}

}  // namespace

std::string gguf_name(const std::string& name) {
  static const std::string kBlocks = "model.layers.";
  if (name == "model.embed_tokens.weight") return "token_embd.weight";
  if (name == "model.norm.weight") return "output_norm.weight";
  if (name == "lm_head.weight") return "output.weight";
  const std::size_t after_index = name.find('.', kBlocks.size());
  const std::size_t before_kind = name.rfind('.');
  const std::string index = name.substr(kBlocks.size(), after_index - kBlocks.size());
  const std::string part = name.substr(after_index + 1, before_kind - after_index - 1);
  return "blk." + index + "." + block_names().at(part) + name.substr(before_kind);
}

at::Tensor GgufWeights::read(const std::string& name) const {
  const GgufTensor& tensor = *file_.find(gguf_name(name));
  at::Tensor weight = at::empty(tensor.shape, at::TensorOptions().dtype(at::kFloat));
  auto* const target = weight.mutable_data_ptr<float>();
  if (config_.rotary_rows_interleaved && is_rotated(name)) {
    decode_rotary(file_, tensor, config_.head_dim, target);
  } else {
    dequantize(tensor.type, file_.data(tensor), tensor.elements, target);
  }
  file_.release(tensor);
  weight.requires_grad_(true);
  return weight;
}

TensorType GgufWeights::type(const std::string& name) const {
  return file_.find(gguf_name(name))->type;
}

at::Tensor GgufWeights::encoded(const std::string& name) const {
  const GgufTensor& tensor = *file_.find(gguf_name(name));
  const std::int64_t rows = tensor.shape.front();
  const std::int64_t row_bytes = static_cast<std::int64_t>(tensor.bytes) / rows;
  const bool turned = config_.rotary_rows_interleaved && is_rotated(name);
  at::Tensor bytes = at::empty({rows, row_bytes}, at::TensorOptions().dtype(at::kByte));
  auto* const target = bytes.mutable_data_ptr<std::uint8_t>();
  for (std::int64_t row = 0; row < rows; ++row) {
    const std::int64_t place = turned ? rotary_target_row(row, config_.head_dim) : row;
    std::memcpy(target + place * row_bytes, file_.data(tensor) + row * row_bytes,
        static_cast<std::size_t>(row_bytes));
  }
  file_.release(tensor);
  return bytes;
}

}  // namespace salf::convert
