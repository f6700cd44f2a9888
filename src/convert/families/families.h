// The decoders that can be imported: how each is read from a config.json and programmed, the keys
// that they read alike, and the frequencies of rotary positions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "convert/families/decoder.h"
#include "convert/hugging_face/hf_config.h"

namespace salf::convert {

struct Family {
  const char* model_type;   // of config.json
  const char* model_class;  // in its "architectures"
  const char* base;         // what its parameters' names begin with: "model."; the head's do not
  const char* embedding;    // full name of the embedding's weight
  // Throws Error(kBadModel) with the key for a setting that is not supported.
  Decoder (*read)(const HfConfig& config);
};

const std::vector<Family>& families();

// The family that config.json names. Throws Error(kBadModel) with the known ones for another.
const Family& find_family(const HfConfig& config);

Decoder read_llama(const HfConfig& config);  // Llama 2 and 3, SmolLM2
Decoder read_mistral(const HfConfig& config);
Decoder read_qwen2(const HfConfig& config);
Decoder read_qwen3(const HfConfig& config);
Decoder read_gemma2(const HfConfig& config);
Decoder read_phi3(const HfConfig& config);
Decoder read_olmo2(const HfConfig& config);
Decoder read_gpt2(const HfConfig& config);
Decoder read_gemma3(const HfConfig& config);
Decoder read_smollm3(const HfConfig& config);
Decoder read_granite(const HfConfig& config);
Decoder read_olmo3(const HfConfig& config);

Decoder make_llama(DecoderConfig config);  // also Mistral's and Qwen2's

enum class RotarySupport {
  kWhole,           // default, linear and llama3, over whole heads
  kPartialAndLong,  // default and longrope, over a part of each head
};

// Where a config.json has the rotary settings of a model or of a kind of blocks.
struct RotaryKeys {
  RotarySupport support = RotarySupport::kWhole;
  double theta = 10000.0;                // transformers' value of an absent key
  const char* theta_key = "rope_theta";  // at the top, in older files; nullptr: none
  // Within rope_parameters: full_attention, which has rope_scaling in older files, or
  // sliding_attention, which has none. nullptr: one setting for all blocks.
  const char* layer_type = nullptr;
};

// transformers' values of absent keys.
struct DecoderDefaults {
  double epsilon = 1e-6;
  bool tied = false;
  std::optional<std::int64_t> head_dim;  // hidden_size / num_attention_heads otherwise
  const char* activation_key = "hidden_act";
  const char* activation = "silu";
  RotaryKeys rotary;
};

// The keys of hidden size, query heads, key/value heads and a head's size.
struct HeadKeys {
  std::string hidden, heads, kv_heads, head_dim;
};
// Reads heads, kv_heads and head_dim. `absent`: head_dim without its key, else hidden / heads.
// REQUIRES: decoder.hidden is set
void read_heads(const HfConfig& config, const HeadKeys& keys,
    const std::optional<std::int64_t>& absent, DecoderConfig& decoder);

// Reads everything except windows and biases.
DecoderConfig read_decoder_config(const HfConfig& config, const DecoderDefaults& defaults);

// Reads an activation. Refuses one that the programs do not know.
std::string read_activation(
    const HfConfig& config, const std::string& key, const std::string& fallback);

// sliding_window; 0 for null, `absent` where the key is absent.
std::int64_t read_window(const HfConfig& config, std::int64_t absent);
// Sets decoder.windowed from layer_types, or to `absent` where the key is absent.
// REQUIRES: decoder.window is set
void read_layer_types(
    const HfConfig& config, DecoderConfig& decoder, const std::vector<bool>& absent);
// A window in every block but each `period`-th. REQUIRES: period >= 1
std::vector<bool> all_but_each(std::int64_t period, std::int64_t blocks);
// Sets Qwen's windows: with use_sliding_window, from block max_window_layers on or by layer_types.
void read_upper_windows(const HfConfig& config, DecoderConfig& decoder);

// theta^(−2i/turned) / divisors[i] for i = 0 … turned/2 − 1 (no divisors: 1), in radians per token.
// Rounded to float32 at each step, as transformers does: far from the start a frequency's last
// digit is a visible angle. REQUIRES: turned is even, and divisors are none or turned/2
std::vector<double> rotary_frequencies(
    double theta, std::int64_t turned, const std::vector<double>& divisors = {});

// Llama 3.1's scaling divides slow rotations by `factor`, keeps quick ones and blends between
// (transformers, modeling_rope_utils.py, _compute_llama3_parameters).
struct Llama3Scaling {
  double factor = 8.0;
  double low = 1.0;
  double high = 4.0;
  double original_context = 8192.0;

  // What the frequency is divided by. REQUIRES: low < high
  double divisor(double frequency) const;
};

// Reads rope_theta with rope_scaling (older files) or rope_parameters (newer ones). Refuses a type
// that is not supported. REQUIRES: decoder.head_dim and decoder.context are set
RotaryConfig read_rotary(
    const HfConfig& config, const DecoderConfig& decoder, const RotaryKeys& keys);

}  // namespace salf::convert
