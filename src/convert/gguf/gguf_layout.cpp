#include "convert/gguf/gguf_layout.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <map>

#include "core/text.h"

namespace salf::convert {
namespace {

// By path within a block, without the parameter's kind.
using Names = std::map<std::string, GgufPart>;

struct Layout {
  const char* model_type;
  const char* architecture;
  Names block;
};

Names llama_names(GgufChange queries) {
  return {{"self_attn.q_proj", {"attn_q", queries}}, {"self_attn.k_proj", {"attn_k", queries}},
      {"self_attn.v_proj", {"attn_v"}}, {"self_attn.o_proj", {"attn_output"}},
      {"mlp.gate_proj", {"ffn_gate"}}, {"mlp.up_proj", {"ffn_up"}}, {"mlp.down_proj", {"ffn_down"}},
      {"input_layernorm", {"attn_norm"}}, {"post_attention_layernorm", {"ffn_norm"}}};
}

Names with(Names names, const Names& others) {
  for (const auto& [name, other] : others) names[name] = other;
  return names;
}

const std::vector<Layout>& layouts() {
  constexpr GgufChange kPlus = GgufChange::kPlusOne;
  constexpr GgufChange kTurned = GgufChange::kTransposed;
  const Names plain = llama_names(GgufChange::kNone);
  const Names query_norms = {
      {"self_attn.q_norm", {"attn_q_norm"}}, {"self_attn.k_norm", {"attn_k_norm"}}};
  const Names rotated = llama_names(GgufChange::kRotaryRows);
  const Names gemma = with(plain, {{"input_layernorm", {"attn_norm", kPlus}},
                                      {"post_attention_layernorm", {"post_attention_norm", kPlus}},
                                      {"pre_feedforward_layernorm", {"ffn_norm", kPlus}},
                                      {"post_feedforward_layernorm", {"post_ffw_norm", kPlus}}});
  const Names olmo =
      with(with(plain, query_norms), {{"post_attention_layernorm", {"post_attention_norm"}},
                                         {"post_feedforward_layernorm", {"post_ffw_norm"}}});
  static const std::vector<Layout> kLayouts = {{"llama", "llama", rotated},
      {"mistral", "llama", rotated}, {"qwen2", "qwen2", plain},
      {"qwen3", "qwen3", with(plain, query_norms)}, {"gemma2", "gemma2", gemma},
      {"phi3", "phi3",
          with(plain, {{"self_attn.qkv_proj", {"attn_qkv"}}, {"mlp.gate_up_proj", {"ffn_up"}}})},
      {"olmo2", "olmo2", olmo}, {"olmo3", "olmo2", olmo},
      {"gemma3_text", "gemma3",
          with(gemma, {{"self_attn.q_norm", {"attn_q_norm", kPlus}},
                          {"self_attn.k_norm", {"attn_k_norm", kPlus}}})},
      {"smollm3", "smollm3", rotated}, {"granite", "granite", rotated},
      {"gpt2", "gpt2",
          {{"ln_1", {"attn_norm"}}, {"ln_2", {"ffn_norm"}}, {"attn.c_attn", {"attn_qkv", kTurned}},
              {"attn.c_proj", {"attn_output", kTurned}}, {"mlp.c_fc", {"ffn_up", kTurned}},
              {"mlp.c_proj", {"ffn_down", kTurned}}}}};
  return kLayouts;
}

const Layout* find_layout(const std::string& model_type) {
  for (const Layout& layout : layouts()) {
    if (model_type == layout.model_type) return &layout;
  }
  return nullptr;
}

bool is_gemma(const std::string& model_type) { return core::starts_with(model_type, "gemma"); }

const Layout& layout_of(const ExportSource& source) {
  return *find_layout(source.family->model_type);
}

// Outside of the blocks.
const Names& outer_names() {
  static const Names kNames = {{"model.embed_tokens", {"token_embd"}},
      {"transformer.wte", {"token_embd"}},
      {"transformer.wpe", {"position_embd", GgufChange::kNone, true}},
      {"model.norm", {"output_norm"}}, {"transformer.ln_f", {"output_norm"}},
      {"lm_head", {"output"}}};
  return kNames;
}

[[noreturn]] void refuse(
    const ExportSource& source, const std::string& key, const std::string& problem) {
  source.config.refuse(key, problem + "; --to hf can express it");
}

void check_activation(
    const ExportSource& source, const std::string& key, const std::vector<std::string>& known) {
  const std::string& activation = source.decoder.config.activation;
  if (std::find(known.begin(), known.end(), activation) != known.end()) return;
  refuse(source, key,
      "llama.cpp computes a " + std::string(source.family->model_type) + " with " + known.front() +
          ", got '" + activation + "'");
}

void check_gpt2(const ExportSource& source) {
  check_activation(source, "activation_function", {"gelu_new", "gelu_pytorch_tanh", "gelu_fast"});
  if (!source.config.flag("scale_attn_weights", true) ||
      source.config.flag("scale_attn_by_inverse_layer_idx", false)) {
    refuse(source, "scale_attn_weights",
        "llama.cpp scales a gpt2's attention by 1/sqrt(head size) in every block");
  }
}

void check_gemma2(const ExportSource& source) {
  const DecoderConfig& config = source.decoder.config;
  check_activation(source, "hidden_activation", {"gelu_pytorch_tanh", "gelu_new", "gelu_fast"});
  for (const char* const key : {"attn_logit_softcapping", "final_logit_softcapping"}) {
    if (source.config.is_null(key))
      refuse(source, key, "llama.cpp always caps the logits of a gemma2, got null");
  }
  if (source.config.positive("query_pre_attn_scalar", 256.0) !=
      static_cast<double>(config.head_dim))
    refuse(source, "query_pre_attn_scalar",
        "llama.cpp scales by the head's size, " + std::to_string(config.head_dim));
  for (std::size_t i = 0; i < config.windowed.size(); ++i) {
    if (config.windowed[i] != (i % 2 == 0))
      refuse(source, "layer_types",
          "llama.cpp's gemma2 has a window in every other block, beginning with the first");
  }
}

// Whose keys beside the tensors this program does not write.
bool read_only(const std::string& type) {
  return type == "gemma3_text" || type == "granite" || type == "olmo3" || type == "smollm3";
}

}  // namespace

std::string gguf_model_type(const std::string& architecture) {
  for (const Layout& layout : layouts()) {
    if (architecture == layout.architecture) return layout.model_type;
  }
  return "";
}

std::string gguf_architectures() {
  std::vector<std::string> known;
  for (const Layout& layout : layouts()) {
    if (std::find(known.begin(), known.end(), layout.architecture) == known.end())
      known.emplace_back(layout.architecture);
  }
  return core::join(known, ", ");
}

std::string gguf_architecture(const ExportSource& source) {
  const std::string type = source.family->model_type;
  const Layout* const layout = find_layout(type);
  if (layout == nullptr) {
    std::vector<std::string> known;
    for (const Layout& entry : layouts()) {
      if (!read_only(entry.model_type)) known.emplace_back(entry.model_type);
    }
    refuse(source, "model_type",
        "the GGUF export knows " + core::join(known, ", ") + ", got '" + type + "'");
  }
  if (read_only(type)) {
    refuse(source, "model_type",
        "GGUF files of a " + type +
            " are read, not written: export it with --to hf, and convert the folder with "
            "llama.cpp's convert_hf_to_gguf.py");
  }
  const DecoderConfig& config = source.decoder.config;
  if (type == "gpt2") {
    check_gpt2(source);
    return layout->architecture;
  }
  if ((config.qkv_bias && type != "qwen2") || config.output_bias)
    refuse(source, "attention_bias", "the GGUF files of a " + type + " have no such biases");
  if (config.feed_forward_bias)
    refuse(source, "mlp_bias", "the GGUF files of a " + type + " have no such biases");
  if (config.rotary.type == "longrope") {
    refuse(source, "rope_scaling", "LongRoPE is not exported to GGUF");
  }
  if (config.rotary.type == "yarn") refuse(source, "rope_scaling", "YaRN is not exported to GGUF");
  if (type == "gemma2") {
    check_gemma2(source);
  } else {
    check_activation(source, "hidden_act", {"silu", "swish"});
  }
  return layout->architecture;
}

GgufPart gguf_part(const std::string& model_type, const std::string& parameter) {
  const std::size_t before_kind = parameter.rfind('.');
  const std::string kind = parameter.substr(before_kind);
  const std::string path = parameter.substr(0, before_kind);
  const std::string blocks = model_type == "gpt2" ? "transformer.h." : "model.layers.";
  GgufPart found;
  if (core::starts_with(path, blocks)) {
    const std::size_t after_index = path.find('.', blocks.size());
    found = find_layout(model_type)->block.at(path.substr(after_index + 1));
    found.name =
        "blk." + path.substr(blocks.size(), after_index - blocks.size()) + "." + found.name;
  } else {
    found = outer_names().at(path);
    if (found.name == "output_norm" && is_gemma(model_type)) found.change = GgufChange::kPlusOne;
  }
  if (kind == ".bias" && found.change == GgufChange::kTransposed) found.change = GgufChange::kNone;
  found.name += kind;
  return found;
}

at::Tensor gguf_values(
    const ExportSource& source, const std::string& parameter, GgufChange change) {
  const at::Tensor values = source.tensor(parameter);
  switch (change) {
    case GgufChange::kNone: return values;
    case GgufChange::kTransposed: return values.t().contiguous();
    case GgufChange::kPlusOne: return values + 1.0;
    case GgufChange::kRotaryRows: {
      const std::int64_t half = source.decoder.config.head_dim / 2;
      const std::int64_t heads = values.size(0) / (2 * half);
      return values.reshape({heads, 2, half, -1})
          .transpose(1, 2)
          .reshape(values.sizes())
          .contiguous();
    }
  }
  return values;
}

void add_gguf_sizes(const ExportSource& source, GgufMetadata& metadata) {
  const DecoderConfig& config = source.decoder.config;
  const std::string type = source.family->model_type;
  const std::string prefix = std::string(layout_of(source).architecture) + ".";
  const auto whole = [&](const char* key, std::int64_t value) {
    metadata.whole(prefix + key, value);
  };
  const auto real = [&](const char* key, double value) { metadata.real(prefix + key, value); };
  whole("vocab_size", config.vocabulary);
  whole("context_length", config.context);
  whole("embedding_length", config.hidden);
  whole("block_count", config.blocks);
  whole("feed_forward_length", config.feed_forward);
  whole("attention.head_count", config.heads);
  if (type == "gpt2") return real("attention.layer_norm_epsilon", config.epsilon);
  whole("attention.head_count_kv", config.kv_heads);
  whole("attention.key_length", config.head_dim);
  whole("attention.value_length", config.head_dim);
  real("attention.layer_norm_rms_epsilon", config.epsilon);
  whole("rope.dimension_count", static_cast<std::int64_t>(2 * config.rotary.frequencies.size()));
  real("rope.freq_base", config.rotary.theta);
  if (config.rotary.type == "linear") {
    metadata.text(prefix + "rope.scaling.type", "linear");
    real("rope.scaling.factor", config.rotary.factor);
  }
  if (type == "gemma2") {
    real("attn_logit_softcapping", source.config.positive("attn_logit_softcapping", 50.0));
    real("final_logit_softcapping", source.config.positive("final_logit_softcapping", 30.0));
  }
  if (type == "gemma2" || type == "phi3")
    whole("attention.sliding_window", config.window > 0 ? config.window : config.context);
}

std::vector<float> gguf_rope_divisors(const ExportSource& source) {
  const RotaryConfig& rotary = source.decoder.config.rotary;
  if (rotary.type != "llama3") return {};
  const std::vector<double> whole =
      rotary_frequencies(rotary.theta, static_cast<std::int64_t>(2 * rotary.frequencies.size()));
  std::vector<float> divisors;
  for (std::size_t i = 0; i < whole.size(); ++i)
    divisors.push_back(static_cast<float>(whole[i] / rotary.frequencies[i]));
  return divisors;
}

std::vector<std::string> gguf_warnings(const ExportSource& source) {
  const DecoderConfig& config = source.decoder.config;
  const std::string type = source.family->model_type;
  const bool says_windows = type == "gemma2" || type == "phi3" || type == "gpt2";
  if (says_windows || config.window <= 0 || config.window >= config.context) return {};
  return {"GGUF's " + std::string(layout_of(source).architecture) +
          " has no sliding window: inputs of more than " + std::to_string(config.window) +
          " tokens are computed otherwise there"};
}

}  // namespace salf::convert
