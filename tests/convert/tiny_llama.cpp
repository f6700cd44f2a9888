#include "tiny_llama.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include <cmath>

namespace salf::convert {
namespace {

std::string block_name(std::int64_t block) { return "model.layers." + std::to_string(block) + "."; }

// Hugging Face's rows of a head, first half then second half, become neighbours.
at::Tensor interleave(const at::Tensor& weight, std::int64_t heads) {
  const std::int64_t half = weight.size(0) / heads / 2;
  return weight.reshape({heads, 2, half, -1}).transpose(1, 2).reshape(weight.sizes()).contiguous();
}

at::Tensor norm(const at::Tensor& x, const at::Tensor& weight) {
  return x / (x.pow(2).mean(-1, true) + 1e-5).sqrt() * weight;
}

// x: [T, C] of one head.
at::Tensor rotate(const TinyLlama& model, const at::Tensor& x) {
  at::Tensor result = x.clone();
  const std::int64_t half = model.head_dim / 2;
  for (std::int64_t t = 0; t < x.size(0); ++t) {
    for (std::int64_t i = 0; i < half; ++i) {
      double frequency = std::pow(model.theta, -static_cast<double>(i) / static_cast<double>(half));
      frequency /= model.linear_factor;
      if (!model.rope_divisors.empty())
        frequency /= static_cast<double>(model.rope_divisors[static_cast<std::size_t>(i)]);
      const double angle = static_cast<double>(t) * frequency;
      const auto a = x[t][i].item<double>();
      const auto b = x[t][i + half].item<double>();
      result[t][i] = a * std::cos(angle) - b * std::sin(angle);
      result[t][i + half] = b * std::cos(angle) + a * std::sin(angle);
    }
  }
  return result;
}

at::Tensor project(const Weights& weights, const std::string& name, const at::Tensor& x) {
  const at::Tensor product = x.matmul(weights.at(name + ".weight").t());
  const auto bias = weights.find(name + ".bias");
  return bias == weights.end() ? product : product + bias->second;
}

// x: [T, D] of one row.
at::Tensor attention(const TinyLlama& model, const Weights& weights, const std::string& prefix,
    const at::Tensor& x) {
  const at::Tensor query = project(weights, prefix + "q_proj", x);
  const at::Tensor key = project(weights, prefix + "k_proj", x);
  const at::Tensor value = project(weights, prefix + "v_proj", x);
  const at::Tensor future = at::ones({x.size(0), x.size(0)}, at::kBool).triu(1);
  std::vector<at::Tensor> mixed;
  for (std::int64_t head = 0; head < model.heads; ++head) {
    const std::int64_t shared = head / (model.heads / model.kv_heads);
    const auto part = [&](const at::Tensor& whole, std::int64_t index) {
      return whole.narrow(1, index * model.head_dim, model.head_dim);
    };
    at::Tensor scores =
        rotate(model, part(query, head)).matmul(rotate(model, part(key, shared)).t());
    scores =
        (scores / std::sqrt(static_cast<double>(model.head_dim))).masked_fill(future, -INFINITY);
    mixed.push_back(scores.softmax(-1).matmul(part(value, shared)));
  }
  return project(weights, prefix + "o_proj", at::cat(mixed, 1));
}

at::Tensor feed_forward(const Weights& weights, const std::string& prefix, const at::Tensor& x) {
  const at::Tensor gate = project(weights, prefix + "gate_proj", x);
  return project(weights, prefix + "down_proj",
      gate * gate.sigmoid() * project(weights, prefix + "up_proj", x));
}

}  // namespace

Weights random_weights(const TinyLlama& model, std::uint64_t seed) {
  Weights weights;
  auto generator = at::detail::createCPUGenerator(seed);
  const auto add = [&](const std::string& name, std::vector<std::int64_t> shape, double scale,
                       double offset) {
    weights[name] = at::randn(shape, generator, at::kFloat) * scale + offset;
  };
  const auto linear = [&](const std::string& name, std::int64_t rows, std::int64_t columns) {
    add(name + ".weight", {rows, columns}, 0.4, 0.0);
  };
  const std::int64_t queries = model.heads * model.head_dim;
  const std::int64_t keys = model.kv_heads * model.head_dim;
  linear("model.embed_tokens", model.vocabulary, model.hidden);
  for (std::int64_t block = 0; block < model.blocks; ++block) {
    const std::string prefix = block_name(block);
    linear(prefix + "self_attn.q_proj", queries, model.hidden);
    linear(prefix + "self_attn.k_proj", keys, model.hidden);
    linear(prefix + "self_attn.v_proj", keys, model.hidden);
    linear(prefix + "self_attn.o_proj", model.hidden, queries);
    linear(prefix + "mlp.gate_proj", model.feed_forward, model.hidden);
    linear(prefix + "mlp.up_proj", model.feed_forward, model.hidden);
    linear(prefix + "mlp.down_proj", model.hidden, model.feed_forward);
    add(prefix + "input_layernorm.weight", {model.hidden}, 0.2, 1.0);
    add(prefix + "post_attention_layernorm.weight", {model.hidden}, 0.2, 1.0);
    if (!model.qwen2()) continue;
    add(prefix + "self_attn.q_proj.bias", {queries}, 0.5, 0.0);
    add(prefix + "self_attn.k_proj.bias", {keys}, 0.5, 0.0);
    add(prefix + "self_attn.v_proj.bias", {keys}, 0.5, 0.0);
  }
  add("model.norm.weight", {model.hidden}, 0.2, 1.0);
  if (!model.tied) linear("lm_head", model.vocabulary, model.hidden);
  return weights;
}

support::GgufWriter metadata_of(const TinyLlama& model) {
  support::GgufWriter writer;
  const std::string prefix = model.architecture + ".";
  const auto number = [&](const std::string& key, std::int64_t value) {
    writer.number(prefix + key, static_cast<std::uint32_t>(value));
  };
  writer.text("general.architecture", model.architecture);
  number("block_count", model.blocks);
  number("context_length", 64);
  number("embedding_length", model.hidden);
  number("feed_forward_length", model.feed_forward);
  number("attention.head_count", model.heads);
  number("attention.head_count_kv", model.kv_heads);
  number("attention.key_length", model.head_dim);
  number("attention.value_length", model.head_dim);
  writer.real(prefix + "attention.layer_norm_rms_epsilon", 1e-5F);
  writer.real(prefix + "rope.freq_base", static_cast<float>(model.theta));
  if (model.linear_factor != 1.0) {
    writer.text(prefix + "rope.scaling.type", "linear");
    writer.real(prefix + "rope.scaling.factor", static_cast<float>(model.linear_factor));
  }
  std::vector<std::string> tokens;
  for (std::int64_t id = 0; id < model.vocabulary; ++id)
    tokens.emplace_back(1, static_cast<char>('!' + id));
  tokens.back() = "<|end|>";
  std::vector<std::int32_t> types(tokens.size(), 1);
  types.back() = 3;
  writer.text("tokenizer.ggml.model", "gpt2");
  writer.text("tokenizer.ggml.pre", "gpt-2");
  writer.texts("tokenizer.ggml.tokens", tokens);
  writer.integers("tokenizer.ggml.token_type", types);
  writer.texts("tokenizer.ggml.merges", {});
  writer.number("tokenizer.ggml.eos_token_id", static_cast<std::uint32_t>(model.vocabulary - 1));
  return writer;
}

Weights gguf_tensors(const TinyLlama& model, const Weights& weights) {
  const std::map<std::string, std::string> parts = {{"self_attn.q_proj", "attn_q"},
      {"self_attn.k_proj", "attn_k"}, {"self_attn.v_proj", "attn_v"},
      {"self_attn.o_proj", "attn_output"}, {"mlp.gate_proj", "ffn_gate"}, {"mlp.up_proj", "ffn_up"},
      {"mlp.down_proj", "ffn_down"}, {"input_layernorm", "attn_norm"},
      {"post_attention_layernorm", "ffn_norm"}};
  Weights tensors = {{"token_embd.weight", weights.at("model.embed_tokens.weight")},
      {"output_norm.weight", weights.at("model.norm.weight")}};
  if (!model.tied) tensors["output.weight"] = weights.at("lm_head.weight");
  if (!model.rope_divisors.empty()) tensors["rope_freqs.weight"] = at::tensor(model.rope_divisors);
  for (std::int64_t block = 0; block < model.blocks; ++block) {
    for (const auto& [theirs, ours] : parts) {
      for (const char* kind : {".weight", ".bias"}) {
        const auto found = weights.find(block_name(block) + theirs + kind);
        if (found == weights.end()) continue;
        const bool turned = !model.qwen2() && (ours == "attn_q" || ours == "attn_k");
        const std::int64_t heads = ours == "attn_q" ? model.heads : model.kv_heads;
        tensors["blk." + std::to_string(block) + "." + ours + kind] =
            turned ? interleave(found->second, heads) : found->second;
      }
    }
  }
  return tensors;
}

void add_tensors(support::GgufWriter& writer, const Weights& tensors) {
  for (const auto& [name, tensor] : tensors) {
    const at::Tensor values = tensor.contiguous();
    writer.tensor(name, values.sizes().vec(), 0,
        std::string(static_cast<const char*>(values.const_data_ptr()), values.nbytes()));
  }
}

at::Tensor reference_logits(const TinyLlama& model, const Weights& weights, const at::Tensor& ids) {
  std::vector<at::Tensor> rows;
  for (std::int64_t row = 0; row < ids.size(0); ++row) {
    at::Tensor hidden = weights.at("model.embed_tokens.weight").index_select(0, ids[row]);
    for (std::int64_t block = 0; block < model.blocks; ++block) {
      const std::string prefix = block_name(block);
      const at::Tensor normed = norm(hidden, weights.at(prefix + "input_layernorm.weight"));
      hidden = hidden + attention(model, weights, prefix + "self_attn.", normed);
      const at::Tensor after = norm(hidden, weights.at(prefix + "post_attention_layernorm.weight"));
      hidden = hidden + feed_forward(weights, prefix + "mlp.", after);
    }
    const at::Tensor& head =
        weights.at(model.tied ? "model.embed_tokens.weight" : "lm_head.weight");
    rows.push_back(norm(hidden, weights.at("model.norm.weight")).matmul(head.t()));
  }
  return at::stack(rows);
}

}  // namespace salf::convert
