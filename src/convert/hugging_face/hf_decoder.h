// Keys of a config.json that the families read alike.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "convert/families/decoder.h"
#include "convert/hugging_face/hf_config.h"

namespace salf::convert {

enum class RotarySupport {
  kWhole,           // default, linear and llama3, over whole heads
  kPartialAndLong,  // default and longrope, over a part of each head
};

// transformers' values of absent keys.
struct DecoderDefaults {
  double epsilon = 1e-6;
  bool tied = false;
  std::optional<std::int64_t> head_dim;  // hidden_size / num_attention_heads otherwise
  const char* activation_key = "hidden_act";
  const char* activation = "silu";
  RotarySupport rotary = RotarySupport::kWhole;
};

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
// Sets Qwen's windows: with use_sliding_window, from block max_window_layers on or by layer_types.
void read_upper_windows(const HfConfig& config, DecoderConfig& decoder);

}  // namespace salf::convert
