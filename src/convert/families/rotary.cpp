#include <algorithm>
#include <cmath>
#include <string>

#include "convert/families/families.h"
#include "core/log.h"
#include "core/text.h"

namespace salf::convert {
namespace {

// The settings of one config.json, where it keeps them.
class RotaryReader {
 public:
  // Older files: rope_theta at the top and, if there is a scaling, rope_scaling. Since transformers
  // 5: rope_parameters.
  RotaryReader(const HfConfig& config, const DecoderConfig& decoder, const RotaryKeys& keys)
      : config_(config), decoder_(decoder), keys_(keys) {
    config.ignore("original_max_position_embeddings");  // unless the type asks for it
    const std::string blocks = keys.layer_type == nullptr ? "" : keys.layer_type;
    if (blocks != "sliding_attention" && config.has("rope_scaling")) {
      settings_ = &config.object("rope_scaling");
    } else if (config.has("rope_parameters")) {
      settings_ = &config.object("rope_parameters");
      if (!blocks.empty())
        settings_ = stated(blocks.c_str()) ? &settings_->object(blocks) : nullptr;
    }
    for (const char* type : {"full_attention", "sliding_attention"}) {
      if (stated(type))
        settings_->refuse(type, "rotary settings of their own for some blocks are not supported");
    }
  }

  RotaryConfig read() const {
    const std::string type = read_type(keys_.support);
    const std::int64_t turned = read_turned(keys_.support);
    RotaryConfig rotary;
    rotary.type = type;
    rotary.theta = read_theta();
    rotary.frequencies = rotary_frequencies(rotary.theta, turned);
    if (type == "linear") {
      rotary.factor = settings_->positive("factor");
      for (double& frequency : rotary.frequencies) frequency /= rotary.factor;
    } else if (type == "llama3") {
      const Llama3Scaling scaling = read_llama3();
      for (double& frequency : rotary.frequencies) frequency /= scaling.divisor(frequency);
    } else if (type == "longrope") {
      read_longrope(turned, rotary);
    } else if (type == "yarn") {
      read_yarn(turned, rotary);
    } else if (type == "dynamic") {
      settings_->positive("factor");  // counts for inputs beyond the context, which are not run
    }
    return rotary;
  }

 private:
  bool stated(const char* key) const { return settings_ != nullptr && settings_->has(key); }

  double setting(const char* key, double absent) const {
    const double top = config_.positive(key, absent);
    return settings_ != nullptr ? settings_->positive(key, top) : top;
  }

  double read_theta() const {
    const double top =
        keys_.theta_key == nullptr ? keys_.theta : config_.positive(keys_.theta_key, keys_.theta);
    return settings_ != nullptr ? settings_->positive("rope_theta", top) : top;
  }

  std::string read_type(RotarySupport support) const {
    if (settings_ == nullptr) return "default";
    const std::string older = settings_->text("type", "default");
    std::string type = settings_->text("rope_type", older);
    const bool is_long = support == RotarySupport::kPartialAndLong;
    if (is_long && (type == "su" || type == "yarn"))
      type = "longrope";  // its names in older Phi-3 files
    const bool known = type == "default" || (is_long ? type == "longrope"
                                                     : type == "linear" || type == "llama3" ||
                                                           type == "yarn" || type == "dynamic");
    if (!known) {
      settings_->refuse(
          "rope_type", std::string("expected default") +
                           (is_long ? " or longrope" : ", linear, llama3, yarn or dynamic") +
                           ", got '" + core::printable(type) + "'");
    }
    return type;
  }

  // Elements of a head that turn.
  std::int64_t read_turned(RotarySupport support) const {
    const double share = setting("partial_rotary_factor", 1.0);
    const auto turned =
        static_cast<std::int64_t>(std::min(share, 2.0) * static_cast<double>(decoder_.head_dim));
    const bool partial_allowed = support == RotarySupport::kPartialAndLong;
    if (share > 1.0 || turned < 2 || turned % 2 != 0 ||
        (!partial_allowed && turned != decoder_.head_dim)) {
      (stated("partial_rotary_factor") ? *settings_ : config_)
          .refuse("partial_rotary_factor",
              std::string(partial_allowed
                              ? "expected a share that turns an even number of a head's "
                              : "expected 1: all of a head's ") +
                  std::to_string(decoder_.head_dim) + " elements" +
                  (partial_allowed ? "" : " turn") + ", got " + core::format_number(share));
    }
    return turned;
  }

  // The context before it was extended; `absent` if the file does not say.
  double original_context(double absent) const {
    constexpr const char* kKey = "original_max_position_embeddings";
    const double inner = settings_->positive(kKey, absent);
    return config_.positive(kKey, inner);
  }

  Llama3Scaling read_llama3() const {
    Llama3Scaling scaling;
    scaling.factor = settings_->positive("factor");
    scaling.low = settings_->positive("low_freq_factor");
    scaling.high = settings_->positive("high_freq_factor");
    scaling.original_context = original_context(static_cast<double>(decoder_.context));
    if (scaling.high <= scaling.low)
      settings_->refuse("high_freq_factor", "expected more than low_freq_factor");
    return scaling;
  }

  std::vector<double> divisors(const char* key, std::int64_t turned) const {
    std::vector<double> numbers = settings_->positives(key);
    if (numbers.size() != static_cast<std::size_t>(turned / 2)) {
      settings_->refuse(key, "expected " + std::to_string(turned / 2) +
                                 " numbers, one for each pair that turns, got " +
                                 std::to_string(numbers.size()));
    }
    return numbers;
  }

  // transformers, modeling_rope_utils.py, _compute_longrope_parameters; 4096 is Phi3Config's.
  void read_longrope(std::int64_t turned, RotaryConfig& rotary) const {
    rotary.frequencies = rotary_frequencies(rotary.theta, turned, divisors("short_factor", turned));
    rotary.long_frequencies =
        rotary_frequencies(rotary.theta, turned, divisors("long_factor", turned));
    settings_->ignore("original_max_position_embeddings");  // Phi-3 reads the one at the top
    const std::int64_t original = config_.size("original_max_position_embeddings", 4096);
    if (original < 2)
      config_.refuse("original_max_position_embeddings", "expected at least 2, got 1");
    rotary.short_context = original;
    const double extension = static_cast<double>(decoder_.context) / static_cast<double>(original);
    const double factor = settings_->positive("factor", extension);
    const double default_scale =
        factor <= 1.0 ? 1.0
                      : std::sqrt(1.0 + std::log(factor) / std::log(static_cast<double>(original)));
    rotary.scale = settings_->positive("attention_factor", default_scale);
  }

  // As in transformers, modeling_rope_utils.py, _compute_yarn_parameters: dimensions that turn
  // often keep their frequency, those that turn seldom are slowed down by the factor.
  void read_yarn(std::int64_t turned, RotaryConfig& rotary) const {
    const auto context = static_cast<double>(decoder_.context);
    const double original = original_context(context);
    rotary.factor = settings_->positive("factor", context / original);
    const double fast = settings_->positive("beta_fast", 32.0);
    const double slow = settings_->positive("beta_slow", 1.0);
    const auto size = static_cast<double>(turned);
    const auto dimension = [&](double turns) {
      return size * std::log(original / (turns * 2.0 * std::acos(-1.0))) /
             (2.0 * std::log(rotary.theta));
    };
    const bool whole = settings_->flag("truncate", true);
    const double first = whole ? std::floor(dimension(fast)) : dimension(fast);
    const double last = whole ? std::ceil(dimension(slow)) : dimension(slow);
    const double low = std::max(first, 0.0);
    double high = std::min(last, size - 1.0);
    if (low == high) high += 0.001;
    for (std::size_t i = 0; i < rotary.frequencies.size(); ++i) {
      const double slowed = std::clamp((static_cast<double>(i) - low) / (high - low), 0.0, 1.0);
      rotary.frequencies[i] *= slowed / rotary.factor + (1.0 - slowed);
    }
    rotary.scale = settings_->positive("attention_factor", yarn_scale(rotary.factor));
  }

  double yarn_scale(double factor) const {
    const auto scale = [factor](double weight) {
      return factor <= 1.0 ? 1.0 : 0.1 * weight * std::log(factor) + 1.0;
    };
    if (!stated("mscale") || !stated("mscale_all_dim")) return scale(1.0);
    const double upper = settings_->positive("mscale");
    return scale(upper) / scale(settings_->positive("mscale_all_dim"));
  }

  const HfConfig& config_;
  const DecoderConfig& decoder_;
  const RotaryKeys& keys_;
  const HfConfig* settings_ = nullptr;
};

}  // namespace

std::vector<double> rotary_frequencies(
    double theta, std::int64_t turned, const std::vector<double>& divisors) {
  std::vector<double> frequencies(static_cast<std::size_t>(turned / 2));
  for (std::size_t i = 0; i < frequencies.size(); ++i) {
    const float exponent = static_cast<float>(2 * i) / static_cast<float>(turned);
    float wavelength = std::pow(static_cast<float>(theta), exponent);
    if (!divisors.empty()) wavelength *= static_cast<float>(divisors[i]);
    frequencies[i] = static_cast<double>(1.0F / wavelength);
  }
  return frequencies;
}

double Llama3Scaling::divisor(double frequency) const {
  const double turns = original_context * frequency / (2.0 * std::acos(-1.0));
  if (turns < low) return factor;
  if (turns > high) return 1.0;
  const double smooth = (turns - low) / (high - low);
  return 1.0 / ((1.0 - smooth) / factor + smooth);
}

RotaryConfig read_rotary(
    const HfConfig& config, const DecoderConfig& decoder, const RotaryKeys& keys) {
  return RotaryReader(config, decoder, keys).read();
}

}  // namespace salf::convert
