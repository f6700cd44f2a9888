// Frequencies of rotary positions.
#pragma once

#include <cstdint>
#include <vector>

#include "convert/hugging_face/hf_decoder.h"

namespace salf::convert {

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
    const HfConfig& config, const DecoderConfig& decoder, RotarySupport support);

}  // namespace salf::convert
