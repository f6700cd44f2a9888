#include "types/lora_settings.h"

#include <charconv>
#include <sstream>

#include "core/error.h"
#include "core/log.h"
#include "core/text.h"

namespace salf::types {
namespace {

[[noreturn]] void refuse_lora(const std::string& text, const std::string& problem) {
  throw Error(ErrorKind::kUsage,
      "--lora \"" + core::printable(text) + "\": " + core::printable(problem) +
          "; expected r=16,alpha=32,targets=all-linear or targets=q_proj,v_proj, and rslora, "
          "ratio=16 where wanted");
}

std::optional<std::int64_t> whole_number(const std::string& text) {
  std::int64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [behind, code] = std::from_chars(text.data(), end, number);
  return code == std::errc{} && behind == end ? std::optional(number) : std::nullopt;
}

double positive_number(const std::string& text, const std::string& key, const std::string& value) {
  const auto number = core::parse_number(value);
  if (!number || *number <= 0.0)
    refuse_lora(text, key + " should be a number above 0, got '" + value + "'");
  return *number;
}

// What was read so far.
struct Reading {
  LoraSettings settings;
  std::optional<double> alpha;
  std::vector<std::string> targets;
};

void read_key(
    const std::string& text, const std::string& key, const std::string& value, Reading& reading) {
  if (key == "r" || key == "rank") {
    const auto rank = whole_number(value);
    if (!rank || *rank < 1 || *rank > 65536)
      refuse_lora(text, "r should be a whole number from 1 to 65536, got '" + value + "'");
    reading.settings.rank = *rank;
  } else if (key == "alpha") {
    reading.alpha = positive_number(text, key, value);
  } else if (key == "ratio") {
    reading.settings.rate_ratio = positive_number(text, key, value);
  } else if (key == "rslora") {
    if (value != "true" && value != "false")
      refuse_lora(text, "rslora should be true or false, got '" + value + "'");
    reading.settings.rank_stabilized = value == "true";
  } else if (key == "targets") {
    if (value.empty()) refuse_lora(text, "targets names no layer");
    reading.targets.push_back(value);
  } else {
    refuse_lora(text, "there is no key '" + key + "'");
  }
}

}  // namespace

LoraSettings parse_lora(const std::string& text) {
  Reading reading;
  std::stringstream items(text);
  for (std::string item; std::getline(items, item, ',');) {
    const std::size_t equals = item.find('=');
    if (equals != std::string::npos) {
      read_key(text, item.substr(0, equals), item.substr(equals + 1), reading);
    } else if (item == "rslora") {
      reading.settings.rank_stabilized = true;
    } else if (!reading.targets.empty() && !item.empty()) {
      reading.targets.push_back(item);
    } else {
      refuse_lora(text,
          item.empty() ? "something is missing between commas" : "'" + item + "' has no value");
    }
  }
  if (text.empty()) refuse_lora(text, "nothing is said");
  reading.settings.alpha = reading.alpha.value_or(2.0 * static_cast<double>(reading.settings.rank));
  if (!reading.targets.empty()) reading.settings.targets = reading.targets;
  return reading.settings;
}

BlockRange parse_blocks(const std::string& text, const std::string& flag) {
  const std::size_t dash = text.find('-');
  const auto first = whole_number(text.substr(0, dash));
  const auto last = dash == std::string::npos ? first : whole_number(text.substr(dash + 1));
  if (!first || !last || *first < 0 || *last < *first || *last > 100000) {
    throw Error(ErrorKind::kUsage, flag + ": expected blocks counted from 0, as in 15-23, got '" +
                                       core::printable(text) + "'");
  }
  return {*first, *last};
}

std::string describe_lora(const LoraSettings& settings) {
  std::string text =
      "LoRA r=" + std::to_string(settings.rank) + ", alpha=" + core::format_number(settings.alpha);
  if (settings.rank_stabilized) text += ", rsLoRA";
  if (settings.rate_ratio != 1.0)
    text += ", LoRA+ ratio " + core::format_number(settings.rate_ratio);
  text += ", " + core::join(settings.targets, " ");
  const auto range = [](const BlockRange& blocks) {
    return "blocks " + std::to_string(blocks.first) + "-" + std::to_string(blocks.last);
  };
  if (settings.blocks) text += ", " + range(*settings.blocks);
  if (settings.whole) text += "; " + range(*settings.whole) + " as wholes";
  return text;
}

}  // namespace salf::types
