#include <algorithm>
#include <cmath>
#include <set>

#include "convert/families/families.h"
#include "convert/gguf/gguf_layout.h"
#include "convert/gguf/gguf_weights.h"
#include "core/log.h"
#include "core/text.h"
#include "tensor/shapes.h"

namespace salf::convert {
namespace {

// The file's single values, as of a config.json.
HfConfig scalars_of(const GgufFile& file) {
  std::map<std::string, core::Json> scalars;
  for (const auto& [key, value] : file.metadata()) {
    if (!value.is_array()) scalars.emplace(key, value);
  }
  return {scalars, file.path(), {file.tensors().size(), false}};
}

std::string read_architecture(const GgufFile& file) {
  const std::string architecture = file.text("general.architecture").value_or("");
  if (architecture == "llama" || architecture == "qwen2") return architecture;
  file.refuse(
      "general.architecture: expected llama (Llama 2 and 3, SmolLM, Mistral) or qwen2, got " +
      (architecture.empty() ? std::string("nothing") : "'" + core::printable(architecture) + "'"));
}

void check_heads(const GgufFile& file, const HfConfig& scalars, const std::string& prefix,
    const LlamaConfig& config) {
  const std::int64_t values = scalars.size(prefix + "attention.value_length", config.head_dim);
  const std::int64_t rotated = scalars.size(prefix + "rope.dimension_count", config.head_dim);
  if (values == config.head_dim && rotated == config.head_dim) return;
  file.refuse("heads with values and rotation over the whole head are supported: got keys of " +
              std::to_string(config.head_dim) + ", values of " + std::to_string(values) +
              ", rotation over " + std::to_string(rotated));
}

void read_rope(
    const GgufFile& file, const HfConfig& scalars, const std::string& prefix, LlamaConfig& config) {
  config.rope_theta = scalars.positive(prefix + "rope.freq_base", 10000.0);
  const std::string scaling = scalars.text(prefix + "rope.scaling.type", "");
  if (scaling == "linear") {
    config.rope_factor = scalars.positive(prefix + "rope.scaling.factor", 1.0);
  } else if (scaling.empty()) {
    config.rope_factor = scalars.positive(prefix + "rope.scale_linear", 1.0);  // older files
  } else if (scaling != "none") {
    scalars.refuse(prefix + "rope.scaling.type",
        "expected none or linear (or Llama 3's rope_freqs.weight), got '" +
            core::printable(scaling) + "'");
  }
  const GgufTensor* divisors = file.find("rope_freqs.weight");
  if (divisors == nullptr) return;
  if (divisors->elements != config.head_dim / 2) {
    file.refuse("tensor 'rope_freqs.weight': expected " + std::to_string(config.head_dim / 2) +
                " elements, got " + std::to_string(divisors->elements));
  }
  config.rope_divisors.resize(static_cast<std::size_t>(divisors->elements));
  dequantize(divisors->type, file.data(*divisors), divisors->elements, config.rope_divisors.data());
  for (const float divisor : config.rope_divisors) {
    if (!std::isfinite(divisor) || divisor <= 0.0F) {
      file.refuse("tensor 'rope_freqs.weight': expected positive numbers, got " +
                  core::format_number(static_cast<double>(divisor)));
    }
  }
}

std::int64_t read_vocabulary(
    const GgufFile& file, const HfConfig& scalars, const std::string& prefix) {
  const GgufTensor* embedding = file.find("token_embd.weight");
  if (embedding == nullptr) file.refuse("tensor 'token_embd.weight' is missing");
  if (embedding->shape.size() != 2) {
    file.refuse("tensor 'token_embd.weight': expected [vocabulary, hidden], got " +
                tensor::sizes_text(embedding->shape));
  }
  const std::int64_t rows = embedding->shape[0];
  const std::int64_t stated = scalars.size(prefix + "vocab_size", rows);
  if (stated != rows) {
    scalars.refuse(prefix + "vocab_size", "expected the " + std::to_string(rows) +
                                              " rows of token_embd.weight, got " +
                                              std::to_string(stated));
  }
  return rows;
}

// Llama 3.1's scaling where it gives these divisors.
std::optional<Llama3Scaling> recognise_llama3(const LlamaConfig& config) {
  Llama3Scaling scaling;
  scaling.factor = static_cast<double>(
      *std::max_element(config.rope_divisors.begin(), config.rope_divisors.end()));
  const std::vector<double> frequencies = rotary_frequencies(config.rope_theta, config.head_dim);
  for (std::size_t i = 0; i < config.rope_divisors.size(); ++i) {
    const double expected = scaling.divisor(frequencies[i]);
    if (std::abs(static_cast<double>(config.rope_divisors[i]) - expected) > 1e-3 * expected)
      return std::nullopt;
  }
  return scaling;
}

core::Json rope_scaling_json(const LlamaConfig& config) {
  core::Json json;
  if (!config.rope_divisors.empty()) {
    const std::optional<Llama3Scaling> scaling = recognise_llama3(config);
    if (!scaling) return json;
    json["rope_type"] = "llama3";
    json["factor"] = scaling->factor;
    json["low_freq_factor"] = scaling->low;
    json["high_freq_factor"] = scaling->high;
    json["original_max_position_embeddings"] = static_cast<std::int64_t>(scaling->original_context);
  } else if (config.rope_factor != 1.0) {
    json["rope_type"] = "linear";
    json["factor"] = config.rope_factor;
  }
  return json;
}

std::vector<double> scaled_frequencies(const LlamaConfig& config) {
  std::vector<double> frequencies = rotary_frequencies(config.rope_theta, config.head_dim);
  for (std::size_t i = 0; i < frequencies.size(); ++i) {
    frequencies[i] /= config.rope_factor;
    if (!config.rope_divisors.empty())
      frequencies[i] /= static_cast<double>(config.rope_divisors[i]);
  }
  return frequencies;
}

core::Json id_json(const std::optional<std::int64_t>& id) {
  return id ? core::Json(*id) : core::Json();
}

}  // namespace

LlamaConfig read_llama_config(const GgufFile& file) {
  LlamaConfig config;
  config.architecture = read_architecture(file);
  config.qkv_bias = config.architecture == "qwen2";
  const std::string prefix = config.architecture + ".";
  const HfConfig scalars = scalars_of(file);
  if (scalars.count(prefix + "expert_count", 0) > 0)
    file.refuse("a mixture of experts is not supported: expected dense blocks");
  config.blocks = scalars.blocks(prefix + "block_count");
  config.hidden = scalars.size(prefix + "embedding_length");
  config.feed_forward = scalars.size(prefix + "feed_forward_length");
  config.context = scalars.size(prefix + "context_length");
  config.epsilon = scalars.positive(prefix + "attention.layer_norm_rms_epsilon");
  config.vocabulary = read_vocabulary(file, scalars, prefix);
  config.tied = file.find("output.weight") == nullptr;
  read_heads(scalars,
      {prefix + "embedding_length", prefix + "attention.head_count",
          prefix + "attention.head_count_kv", prefix + "attention.key_length"},
      std::nullopt, config);
  check_heads(file, scalars, prefix, config);
  read_rope(file, scalars, prefix, config);
  config.rotary.frequencies = scaled_frequencies(config);
  return config;
}

std::vector<std::string> check_llama_tensors(const GgufFile& file, const LlamaConfig& config) {
  std::set<std::string> known = {"rope_freqs.weight"};
  std::vector<std::string> problems;
  for (const ExpectedTensor& expected : planned_tensors(make_llama(config).program)) {
    const std::string name = gguf_part(config.architecture, expected.name).name;
    known.insert(name);
    const GgufTensor* tensor = file.find(name);
    if (tensor == nullptr) {
      problems.push_back("'" + name + "' is missing");
    } else if (tensor->shape != expected.shape) {
      problems.push_back("'" + name + "': expected " + tensor::sizes_text(expected.shape) +
                         ", got " + tensor::sizes_text(tensor->shape));
    }
  }
  std::vector<std::string> warnings;
  for (const GgufTensor& tensor : file.tensors()) {
    if (known.count(tensor.name) != 0) continue;
    const std::string shown = "'" + core::printable(tensor.name) + "'";
    if (tensor.name.rfind("blk.", 0) == 0) {
      problems.push_back(
          shown + " is not part of a " + config.architecture + " block as salf knows it");
    } else {
      warnings.push_back("tensor " + shown + " is not used");
    }
  }
  if (problems.empty()) return warnings;
  file.refuse("tensors do not fit the architecture: " + list_problems(problems));
}

core::Json hugging_face_config(const LlamaConfig& config, const SpecialIds& ids) {
  const bool qwen2 = config.architecture == "qwen2";
  core::Json json;
  json["architectures"] = {qwen2 ? "Qwen2ForCausalLM" : "LlamaForCausalLM"};
  if (!qwen2) json["attention_bias"] = false;
  json["attention_dropout"] = 0.0;
  json["bos_token_id"] = id_json(ids.bos);
  json["dtype"] = "float32";
  json["eos_token_id"] = id_json(ids.eos);
  if (!qwen2) json["head_dim"] = config.head_dim;
  json["hidden_act"] = "silu";
  json["hidden_size"] = config.hidden;
  json["initializer_range"] = 0.02;
  json["intermediate_size"] = config.feed_forward;
  json["max_position_embeddings"] = config.context;
  if (!qwen2) json["mlp_bias"] = false;
  json["model_type"] = config.architecture;
  json["num_attention_heads"] = config.heads;
  json["num_hidden_layers"] = config.blocks;
  json["num_key_value_heads"] = config.kv_heads;
  json["pad_token_id"] = id_json(ids.padding);
  json["rms_norm_eps"] = config.epsilon;
  json["rope_scaling"] = rope_scaling_json(config);
  json["rope_theta"] = config.rope_theta;
  json["tie_word_embeddings"] = config.tied;
  json["use_cache"] = true;
  json["vocab_size"] = config.vocabulary;
  return json;
}

}  // namespace salf::convert
