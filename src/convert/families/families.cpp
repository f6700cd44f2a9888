#include "convert/families/families.h"

#include "convert/families/decoder_parts.h"
#include "core/log.h"
#include "core/text.h"

namespace salf::convert {

// The rotary tables are made before a tensor could tell that a size is absurd.
constexpr std::int64_t kLargestHead = 1LL << 16U;

const std::vector<Family>& families() {
  constexpr const char* kModel = "model.";
  constexpr const char* kEmbedding = "model.embed_tokens.weight";
  static const std::vector<Family> kFamilies = {
      {"llama", "LlamaForCausalLM", kModel, kEmbedding, &read_llama},
      {"mistral", "MistralForCausalLM", kModel, kEmbedding, &read_mistral},
      {"qwen2", "Qwen2ForCausalLM", kModel, kEmbedding, &read_qwen2},
      {"qwen3", "Qwen3ForCausalLM", kModel, kEmbedding, &read_qwen3},
      {"gemma2", "Gemma2ForCausalLM", kModel, kEmbedding, &read_gemma2},
      {"phi3", "Phi3ForCausalLM", kModel, kEmbedding, &read_phi3},
      {"olmo2", "Olmo2ForCausalLM", kModel, kEmbedding, &read_olmo2},
      {"gpt2", "GPT2LMHeadModel", "transformer.", "transformer.wte.weight", &read_gpt2},
      {"gemma3_text", "Gemma3ForCausalLM", kModel, kEmbedding, &read_gemma3},
      {"smollm3", "SmolLM3ForCausalLM", kModel, kEmbedding, &read_smollm3},
      {"granite", "GraniteForCausalLM", kModel, kEmbedding, &read_granite},
      {"olmo3", "Olmo3ForCausalLM", kModel, kEmbedding, &read_olmo3}};
  return kFamilies;
}

const Family& find_family(const HfConfig& config) {
  const std::string type = config.text("model_type", "");
  std::vector<std::string> known;
  for (const Family& family : families()) {
    known.emplace_back(family.model_type);
    if (type == family.model_type) return family;
  }
  config.refuse("model_type", "expected one of " + core::join(known, ", ") + ", got " +
                                  (type.empty() ? "nothing" : "'" + core::printable(type) + "'") +
                                  "; tools/trace-hf DIR -o MODEL makes a model directory of any "
                                  "other decoder, with your Python and transformers");
}

void read_heads(const HfConfig& config, const HeadKeys& keys,
    const std::optional<std::int64_t>& absent, DecoderConfig& decoder) {
  const auto refuse = [&](const std::string& key, const std::string& expected, std::int64_t got) {
    config.refuse(key, "expected " + expected + ", got " + std::to_string(got));
  };
  decoder.heads = config.size(keys.heads);
  decoder.kv_heads = config.size(keys.kv_heads, decoder.heads);
  if (decoder.heads % decoder.kv_heads != 0) {
    refuse(keys.heads, "a multiple of " + keys.kv_heads + ", " + std::to_string(decoder.kv_heads),
        decoder.heads);
  }
  if (config.has(keys.head_dim)) {
    decoder.head_dim = config.size(keys.head_dim);
  } else if (absent && !config.is_null(keys.head_dim)) {
    decoder.head_dim = *absent;
  } else if (decoder.hidden % decoder.heads == 0) {
    decoder.head_dim = decoder.hidden / decoder.heads;
  } else {
    refuse(keys.heads, "a divisor of " + keys.hidden + ", " + std::to_string(decoder.hidden),
        decoder.heads);
  }
  if (decoder.head_dim % 2 != 0 || decoder.head_dim > kLargestHead) {
    refuse(keys.head_dim, "an even number up to " + std::to_string(kLargestHead), decoder.head_dim);
  }
}

DecoderConfig read_decoder_config(const HfConfig& config, const DecoderDefaults& defaults) {
  DecoderConfig decoder;
  decoder.architecture = config.text("model_type", "");
  decoder.blocks = config.blocks("num_hidden_layers");
  decoder.hidden = config.size("hidden_size");
  decoder.feed_forward = config.size("intermediate_size");
  decoder.vocabulary = config.size("vocab_size");
  decoder.context = config.size("max_position_embeddings");
  decoder.epsilon = config.positive("rms_norm_eps", defaults.epsilon);
  decoder.activation = read_activation(config, defaults.activation_key, defaults.activation);
  decoder.tied = config.tied(defaults.tied);
  read_heads(config, {"hidden_size", "num_attention_heads", "num_key_value_heads", "head_dim"},
      defaults.head_dim, decoder);
  decoder.rotary = read_rotary(config, decoder, defaults.rotary);
  return decoder;
}

std::string read_activation(
    const HfConfig& config, const std::string& key, const std::string& fallback) {
  std::string name = config.text(key, fallback);
  if (!activation_expression(name, "x")) {
    config.refuse(
        key, "expected one of " + known_activations() + ", got '" + core::printable(name) + "'");
  }
  return name;
}

std::int64_t read_window(const HfConfig& config, std::int64_t absent) {
  if (config.is_null("sliding_window")) return 0;
  return config.has("sliding_window") ? config.size("sliding_window") : absent;
}

void read_layer_types(
    const HfConfig& config, DecoderConfig& decoder, const std::vector<bool>& absent) {
  decoder.windowed = absent;
  if (config.has("layer_types")) {
    decoder.windowed.clear();
    for (const std::string& type : config.texts("layer_types")) {
      if (type != "full_attention" && type != "sliding_attention") {
        config.refuse("layer_types",
            "expected full_attention or sliding_attention, got '" + core::printable(type) + "'");
      }
      decoder.windowed.push_back(type == "sliding_attention");
    }
    if (decoder.windowed.size() != static_cast<std::size_t>(decoder.blocks)) {
      config.refuse("layer_types", "expected one for each of the " +
                                       std::to_string(decoder.blocks) + " blocks, got " +
                                       std::to_string(decoder.windowed.size()));
    }
  }
  for (const bool windowed : decoder.windowed) {
    if (!windowed || decoder.window > 0) continue;
    config.refuse(
        "sliding_window", "expected the window of the blocks with sliding_attention, got null");
  }
}

std::vector<bool> all_but_each(std::int64_t period, std::int64_t blocks) {
  std::vector<bool> windowed;
  for (std::int64_t i = 1; i <= blocks; ++i) windowed.push_back(i % period != 0);
  return windowed;
}

void read_upper_windows(const HfConfig& config, DecoderConfig& decoder) {
  decoder.window = config.flag("use_sliding_window", false) ? read_window(config, 4096) : 0;
  config.ignore("sliding_window");
  const std::int64_t first = config.count("max_window_layers", 28);
  std::vector<bool> upper;
  for (std::int64_t i = 0; i < decoder.blocks; ++i)
    upper.push_back(decoder.window > 0 && i >= first);
  read_layer_types(config, decoder, upper);
}

}  // namespace salf::convert
