// Which keys of a config.json do the families read alike?
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

// What transformers takes where a key is absent.
struct DecoderDefaults {
  double epsilon = 1e-6;
  bool tied = false;
  std::optional<std::int64_t> head_dim;  // hidden_size / num_attention_heads otherwise
  const char* activation_key = "hidden_act";
  const char* activation = "silu";
  RotarySupport rotary = RotarySupport::kWhole;
};

// Everything but windows and biases.
DecoderConfig read_decoder_config(const HfConfig& config, const DecoderDefaults& defaults);

// An activation that the programs know.
std::string read_activation(
    const HfConfig& config, const std::string& key, const std::string& fallback);

// sliding_window: 0 if the key is there with null; `absent` if it is not there.
std::int64_t read_window(const HfConfig& config, std::int64_t absent);
// layer_types, or `absent` where the key is not there: which blocks see a window only.
// REQUIRES: decoder.window is set
void read_layer_types(
    const HfConfig& config, DecoderConfig& decoder, const std::vector<bool>& absent);
// Windows as Qwen has them: use_sliding_window, and then from block max_window_layers on or as
// layer_types says.
void read_upper_windows(const HfConfig& config, DecoderConfig& decoder);

}  // namespace salf::convert
