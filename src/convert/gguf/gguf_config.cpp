#include "convert/gguf/gguf_config.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "convert/families/families.h"
#include "convert/gguf/gguf_layout.h"
#include "core/log.h"
#include "core/text.h"
#include "tensor/shapes.h"

namespace salf::convert {
namespace {

using core::Json;

constexpr const char* kRopeDivisors = "rope_freqs.weight";
constexpr const char* kLongFactors = "rope_factors_long.weight";
constexpr const char* kShortFactors = "rope_factors_short.weight";

// The file's single values, as of a config.json.
HfConfig scalars_of(const GgufFile& file) {
  std::map<std::string, Json> scalars;
  for (const auto& [key, value] : file.metadata()) {
    if (!value.is_array()) scalars.emplace(key, value);
  }
  return {scalars, file.path(), {file.tensors().size(), false}};
}

std::string read_architecture(const GgufFile& file) {
  const std::string architecture = file.text("general.architecture").value_or("");
  if (!gguf_model_type(architecture).empty()) return architecture;
  file.refuse(
      "general.architecture: expected " + gguf_architectures() + ", got " +
      (architecture.empty() ? std::string("nothing") : "'" + core::printable(architecture) + "'"));
}

// Positive numbers of a one-dimensional tensor; none where it is not there.
std::vector<float> positives(const GgufFile& file, const char* name, std::int64_t expected) {
  const GgufTensor* const tensor = file.find(name);
  if (tensor == nullptr) return {};
  const std::string where = std::string("tensor '") + name + "': expected ";
  if (tensor->elements != expected) {
    file.refuse(
        where + std::to_string(expected) + " elements, got " + std::to_string(tensor->elements));
  }
  std::vector<float> numbers(static_cast<std::size_t>(expected));
  dequantize(tensor->type, file.data(*tensor), tensor->elements, numbers.data());
  for (const float number : numbers) {
    if (!std::isfinite(number) || number <= 0.0F)
      file.refuse(
          where + "positive numbers, got " + core::format_number(static_cast<double>(number)));
  }
  return numbers;
}

// transformers' config.json out of the keys ARCHITECTURE.*.
class ConfigReader {
 public:
  explicit ConfigReader(const GgufFile& file)
      : file_(file), scalars_(scalars_of(file)), architecture_(read_architecture(file)),
        prefix_(architecture_ + ".") {}

  Json read() {
    if (scalars_.count(key("expert_count"), 0) > 0)
      file_.refuse("a mixture of experts is not supported: expected dense blocks");
    json_["model_type"] = gguf_model_type(architecture_);
    json_["attention_dropout"] = 0.0;
    json_["dtype"] = "float32";
    json_["initializer_range"] = 0.02;
    json_["tie_word_embeddings"] = file_.find("output.weight") == nullptr;
    json_["use_cache"] = true;
    blocks_ = scalars_.blocks(key("block_count"));
    if (architecture_ == "gpt2") {
      read_gpt2();
    } else {
      read_common();
    }
    json_["architectures"] = {find_family(HfConfig(json_, file_.path(), {})).model_class};
    return std::move(json_);
  }

  // rope_freqs.weight: one for each frequency, or none.
  std::vector<float> rope_divisors() const {
    return positives(file_, kRopeDivisors, heads_.head_dim / 2);
  }

 private:
  std::string key(const char* name) const { return prefix_ + name; }
  bool is(const char* architecture) const { return architecture_ == architecture; }

  std::int64_t read_vocabulary() const {
    const GgufTensor* embedding = file_.find("token_embd.weight");
    if (embedding == nullptr) file_.refuse("tensor 'token_embd.weight' is missing");
    if (embedding->shape.size() != 2) {
      file_.refuse("tensor 'token_embd.weight': expected [vocabulary, hidden], got " +
                   tensor::sizes_text(embedding->shape));
    }
    const std::int64_t rows = embedding->shape[0];
    const std::int64_t stated = scalars_.size(key("vocab_size"), rows);
    if (stated != rows) {
      scalars_.refuse(key("vocab_size"), "expected the " + std::to_string(rows) +
                                             " rows of token_embd.weight, got " +
                                             std::to_string(stated));
    }
    return rows;
  }

  void read_gpt2() {
    json_["activation_function"] = "gelu_new";
    json_["layer_norm_epsilon"] = scalars_.positive(key("attention.layer_norm_epsilon"));
    json_["n_embd"] = scalars_.size(key("embedding_length"));
    json_["n_head"] = scalars_.size(key("attention.head_count"));
    json_["n_inner"] = scalars_.size(key("feed_forward_length"));
    json_["n_layer"] = blocks_;
    json_["n_positions"] = scalars_.size(key("context_length"));
    json_["vocab_size"] = read_vocabulary();
  }

  void read_common() {
    heads_.hidden = scalars_.size(key("embedding_length"));
    json_["hidden_size"] = heads_.hidden;
    json_["intermediate_size"] = scalars_.size(key("feed_forward_length"));
    json_["max_position_embeddings"] = scalars_.size(key("context_length"));
    json_["rms_norm_eps"] = scalars_.positive(key("attention.layer_norm_rms_epsilon"));
    json_["vocab_size"] = read_vocabulary();
    json_["num_hidden_layers"] = blocks_;
    read_heads(scalars_,
        {key("embedding_length"), key("attention.head_count"), key("attention.head_count_kv"),
            key("attention.key_length")},
        std::nullopt, heads_);
    json_["num_attention_heads"] = heads_.heads;
    json_["num_key_value_heads"] = heads_.kv_heads;
    if (!is("qwen2")) json_["head_dim"] = heads_.head_dim;
    read_turned();
    if (is("gemma2") || is("gemma3")) {
      read_gemma();
    } else {
      json_["hidden_act"] = "silu";
    }
    if (is("llama")) json_["attention_bias"] = json_["mlp_bias"] = false;
    if (is("granite")) read_granite();
    if (is("phi3")) read_phi3();
    if (is("olmo2") && window() > 0) {
      json_["model_type"] = "olmo3";
      read_windows(4);
    }
    read_rope();
  }

  // Values and rotation over whole heads; Phi-3 may turn a part.
  void read_turned() {
    const std::int64_t values = scalars_.size(key("attention.value_length"), heads_.head_dim);
    const std::int64_t turned = scalars_.size(key("rope.dimension_count"), heads_.head_dim);
    const bool partial = is("phi3") && turned <= heads_.head_dim;
    if (values != heads_.head_dim || (turned != heads_.head_dim && !partial)) {
      file_.refuse(
          "heads with values and rotation over the whole head are supported: got keys of " +
          std::to_string(heads_.head_dim) + ", values of " + std::to_string(values) +
          ", rotation over " + std::to_string(turned));
    }
    if (turned != heads_.head_dim)
      json_["partial_rotary_factor"] =
          static_cast<double>(turned) / static_cast<double>(heads_.head_dim);
  }

  std::int64_t window() const { return scalars_.count(key("attention.sliding_window"), 0); }

  // layer_types of a model with windows, by a pattern or in all but each `period`-th block.
  void read_windows(std::int64_t period) {
    const std::string name = key("attention.sliding_window_pattern");
    std::vector<bool> windowed;
    const auto found = file_.metadata().find(name);
    if (found != file_.metadata().end() && found->second.is_array()) {
      windowed = HfConfig(Json::object({{name, found->second}}), file_.path(), {}).switches(name);
      if (windowed.size() < static_cast<std::size_t>(blocks_))
        file_.refuse(name + ": expected one for each of the " + std::to_string(blocks_) +
                     " blocks, got " + std::to_string(windowed.size()));
      windowed.resize(static_cast<std::size_t>(blocks_));
    } else {
      windowed = all_but_each(scalars_.size(name, period), blocks_);
    }
    if (window() == 0) windowed.assign(windowed.size(), false);
    json_["layer_types"] = Json::array();
    for (const bool is_windowed : windowed)
      json_["layer_types"].push_back(is_windowed ? "sliding_attention" : "full_attention");
    json_["sliding_window"] = window() > 0 ? Json(window()) : Json();
  }

  void read_gemma() {
    json_["hidden_activation"] = "gelu_pytorch_tanh";
    const bool second = is("gemma2");
    // As in llama.cpp: the largest of each generation scales by its hidden size.
    const bool largest = blocks_ == (second ? 46 : 62);
    json_["query_pre_attn_scalar"] = largest ? heads_.hidden / heads_.heads : heads_.head_dim;
    const Json none;
    const auto softcap = [&](const char* name, double absent) {
      const double cap = scalars_.positive(key(name), absent);
      return cap > 0.0 ? Json(cap) : none;
    };
    json_["final_logit_softcapping"] = softcap("final_logit_softcapping", second ? 30.0 : 0.0);
    if (second) {
      json_["attn_logit_softcapping"] = softcap("attn_logit_softcapping", 50.0);
      json_["sliding_window"] = scalars_.size(key("attention.sliding_window"), 4096);
    } else {
      read_windows(6);
    }
  }

  void read_granite() {
    const double usual = 1.0 / std::sqrt(static_cast<double>(heads_.head_dim));
    json_["attention_multiplier"] = scalars_.positive(key("attention.scale"), usual);
    json_["embedding_multiplier"] = scalars_.positive(key("embedding_scale"), 1.0);
    json_["residual_multiplier"] = scalars_.positive(key("residual_scale"), 1.0);
    json_["logits_scaling"] = scalars_.positive(key("logit_scale"));
  }

  void read_phi3() {
    json_["sliding_window"] = window() > 0 ? Json(window()) : Json();
    json_["original_max_position_embeddings"] = scalars_.size(
        key("rope.scaling.original_context_length"), scalars_.size(key("context_length")));
  }

  Json scaling_of(std::string type) const {
    Json scaling;
    if (type.empty() && scalars_.has(key("rope.scale_linear"))) type = "linear";  // older files
    const double factor = scalars_.positive(
        key("rope.scaling.factor"), scalars_.positive(key("rope.scale_linear"), 1.0));
    if (type == "linear" && factor != 1.0) {
      scaling = {{"rope_type", "linear"}, {"factor", factor}};
    } else if (type == "yarn") {
      scaling = {{"rope_type", "yarn"}, {"factor", factor},
          {"original_max_position_embeddings",
              scalars_.size(key("rope.scaling.original_context_length"))}};
      for (const auto& [from, to] : {std::pair("rope.scaling.yarn_beta_fast", "beta_fast"),
               std::pair("rope.scaling.yarn_beta_slow", "beta_slow"),
               std::pair("rope.scaling.yarn_attn_factor", "attention_factor")}) {
        if (scalars_.has(key(from))) scaling[to] = scalars_.positive(key(from));
      }
    } else if (is("phi3") && file_.find(kLongFactors) != nullptr) {
      const auto pairs = static_cast<std::int64_t>(
          scalars_.size(key("rope.dimension_count"), heads_.head_dim) / 2);
      scaling = {{"rope_type", "longrope"}, {"long_factor", positives(file_, kLongFactors, pairs)},
          {"short_factor", positives(file_, kShortFactors, pairs)}};
      if (scalars_.has(key("rope.scaling.attn_factor")))
        scaling["attention_factor"] = scalars_.positive(key("rope.scaling.attn_factor"));
    } else if (!type.empty() && type != "none" && type != "linear") {
      scalars_.refuse(key("rope.scaling.type"),
          "expected none, linear, yarn (or Llama 3's rope_freqs.weight), got '" +
              core::printable(type) + "'");
    }
    return scaling;
  }

  void read_rope() {
    const double theta = scalars_.positive(key("rope.freq_base"), is("gemma3") ? 1e6 : 10000.0);
    const Json scaling = scaling_of(scalars_.text(key("rope.scaling.type"), ""));
    if (!json_.contains("layer_types")) {
      json_["rope_theta"] = theta;
      json_["rope_scaling"] = scaling;
      return;
    }
    Json all = scaling;
    if (all.is_null()) all["rope_type"] = "default";
    all["rope_theta"] = theta;
    const double local =
        scalars_.positive(key("rope.freq_base_swa"), is("gemma3") ? 10000.0 : theta);
    json_["rope_parameters"] = {{"full_attention", all},
        {"sliding_attention", {{"rope_type", "default"}, {"rope_theta", local}}}};
  }

  const GgufFile& file_;
  HfConfig scalars_;
  std::string architecture_, prefix_;
  std::int64_t blocks_ = 0;
  DecoderConfig heads_;  // hidden and the sizes of heads
  Json json_;
};

// Llama 3.1's scaling where it gives these divisors.
std::optional<Llama3Scaling> recognise_llama3(
    const std::vector<float>& divisors, const std::vector<double>& frequencies) {
  Llama3Scaling scaling;
  scaling.factor = static_cast<double>(*std::max_element(divisors.begin(), divisors.end()));
  for (std::size_t i = 0; i < divisors.size(); ++i) {
    const double expected = scaling.divisor(frequencies[i]);
    if (std::abs(static_cast<double>(divisors[i]) - expected) > 1e-3 * expected)
      return std::nullopt;
  }
  return scaling;
}

// The frequencies become what the file says, and config.json says what it can.
void apply_divisors(const std::vector<float>& divisors, GgufDecoder& made) {
  if (divisors.empty()) return;
  DecoderConfig& config = made.decoder.config;
  const auto scaling =
      recognise_llama3(divisors, rotary_frequencies(config.rotary.theta, config.head_dim));
  if (scaling && made.config["rope_scaling"].is_null()) {
    made.config["rope_scaling"] = {{"rope_type", "llama3"}, {"factor", scaling->factor},
        {"low_freq_factor", scaling->low}, {"high_freq_factor", scaling->high},
        {"original_max_position_embeddings", static_cast<std::int64_t>(scaling->original_context)}};
  } else {
    made.config["rope_scaling"] = Json();
    made.warnings.emplace_back(
        "config.json cannot express rope_freqs.weight, which is in model.pt: tools that rebuild "
        "the model from config.json rotate differently");
  }
  for (std::size_t i = 0; i < divisors.size(); ++i)
    config.rotary.frequencies[i] /= static_cast<double>(divisors[i]);
  for (PlannedAttribute& attribute : made.decoder.program.children.front().attributes) {
    if (attribute.name == "rotary_frequencies") attribute.value = config.rotary.frequencies;
  }
}

void check_tensors(const GgufFile& file, GgufDecoder& made) {
  std::set<std::string> known = {kRopeDivisors, kLongFactors, kShortFactors};
  std::vector<std::string> problems;
  for (ExpectedTensor& expected : planned_tensors(made.decoder.program)) {
    const GgufPart part = gguf_part(made.model_type, expected.name);
    if (part.change == GgufChange::kTransposed)
      std::reverse(expected.shape.begin(), expected.shape.end());
    known.insert(part.name);
    const GgufTensor* tensor = file.find(part.name);
    if (tensor == nullptr) {
      problems.push_back("'" + part.name + "' is missing");
    } else if (tensor->shape != expected.shape) {
      problems.push_back("'" + part.name + "': expected " + tensor::sizes_text(expected.shape) +
                         ", got " + tensor::sizes_text(tensor->shape));
    }
  }
  for (const GgufTensor& tensor : file.tensors()) {
    if (known.count(tensor.name) != 0) continue;
    const std::string shown = "'" + core::printable(tensor.name) + "'";
    if (tensor.name.rfind("blk.", 0) == 0) {
      problems.push_back(
          shown + " is not part of a " + made.model_type + " block as salf knows it");
    } else {
      made.warnings.push_back("tensor " + shown + " is not used");
    }
  }
  if (!problems.empty())
    file.refuse("tensors do not fit the architecture: " + list_problems(problems));
}

}  // namespace

GgufDecoder read_gguf_decoder(const GgufFile& file) {
  ConfigReader reader(file);
  GgufDecoder made;
  made.config = reader.read();
  made.model_type = made.config["model_type"].get<std::string>();
  const HfConfig config(
      made.config, file.path(), {file.tensors().size(), file.find("output.weight") != nullptr});
  made.decoder = find_family(config).read(config);
  apply_divisors(reader.rope_divisors(), made);
  check_tensors(file, made);
  return made;
}

}  // namespace salf::convert
