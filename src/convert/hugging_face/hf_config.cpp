#include "convert/hugging_face/hf_config.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <sstream>
#include <utility>

#include "convert/families/decoder.h"
#include "core/log.h"

namespace salf::convert {
namespace {

using core::Json;

// Far above any real model, far below what could overflow in a product of two.
constexpr std::int64_t kLargestSize = 1LL << 28U;

// Names, ids, training settings and outputs. None changes what a decoder computes in eval mode.
constexpr const char* kHarmless =
    "_attn_implementation _attn_implementation_autoset _model_name_or_path _name_or_path "
    "architectures attention_dropout attn_pdrop auto_map begin_suppress_tokens bos_token_id "
    "cache_implementation chunk_size_feed_forward cross_attention_hidden_size "
    "decoder_start_token_id dtype embd_pdrop eos_token_id finetuning_task "
    "gradient_checkpointing hidden_dropout id2label initializer_range is_decoder "
    "is_llama_config keys_to_ignore_at_inference label2id max_length min_length model_type "
    "name_or_path num_labels output_attentions output_hidden_states output_past output_scores "
    "pad_token_id prefix pretraining_tp problem_type resid_pdrop return_dict "
    "return_dict_in_generate sep_token_id summary_activation summary_first_dropout "
    "summary_proj_to_labels summary_type summary_use_proj suppress_tokens "
    "task_specific_params temperature tokenizer_class torch_dtype torchscript "
    "transformers.js_config transformers_version unk_token_id unsloth_fixed unsloth_version "
    "use_bfloat16 use_cache ";

std::string shown(const Json& value) {
  return core::printable(value.dump(-1, ' ', false, Json::error_handler_t::replace), 80);
}

bool is_harmless(const std::string& key) {
  static const std::set<std::string> kKeys = [] {
    std::istringstream words(kHarmless);
    return std::set<std::string>(std::istream_iterator<std::string>(words), {});
  }();
  return kKeys.count(key) > 0;
}

}  // namespace

HfConfig::HfConfig(Json json, std::filesystem::path file, CheckpointFacts facts)
    : file_(std::move(file)), json_(std::move(json)), facts_(facts) {
  if (!json_.is_object()) refuse_model(file_, "expected an object, got " + shown(json_));
}

void HfConfig::refuse(const std::string& key, const std::string& problem) const {
  refuse_model(file_, prefix_ + core::printable(key) + ": " + problem);
}

const Json* HfConfig::find(const std::string& key) const {
  asked_.insert(key);
  const Json* const found = core::find_member(json_, key);
  return found == nullptr || found->is_null() ? nullptr : found;
}

const Json& HfConfig::get(const std::string& key, const std::string& expected) const {
  const Json* const found = find(key);
  if (found == nullptr) refuse(key, "is missing: expected " + expected);
  return *found;
}

bool HfConfig::is_null(const std::string& key) const {
  ignore(key);
  const Json* const found = core::find_member(json_, key);
  return found != nullptr && found->is_null();
}

std::int64_t HfConfig::whole(
    const std::string& key, std::int64_t least, std::optional<std::int64_t> fallback) const {
  if (fallback && !has(key)) return *fallback;
  const Json& value = get(key, "a whole number");
  const bool fits = value.is_number_integer() && core::detail::fits<std::int64_t>(value) &&
                    value.get<std::int64_t>() >= least && value.get<std::int64_t>() <= kLargestSize;
  if (!fits) {
    refuse(key, "expected a whole number from " + std::to_string(least) + " to " +
                    std::to_string(kLargestSize) + ", got " + shown(value));
  }
  return value.get<std::int64_t>();
}

double HfConfig::checked_positive(const Json& value, const std::string& key) const {
  const double number = value.is_number() ? value.get<double>() : 0.0;
  if (!std::isfinite(number) || number <= 0.0)
    refuse(key, "expected a positive number, got " + shown(value));
  return number;
}

double HfConfig::positive(const std::string& key, std::optional<double> fallback) const {
  if (fallback && !has(key)) return *fallback;
  return checked_positive(get(key, "a number"), key);
}

bool HfConfig::flag(const std::string& key, bool fallback) const {
  const Json* const value = find(key);
  if (value == nullptr) return fallback;
  if (!value->is_boolean()) refuse(key, "expected true or false, got " + shown(*value));
  return value->get<bool>();
}

std::string HfConfig::text(const std::string& key, const std::string& fallback) const {
  const Json* const value = find(key);
  if (value == nullptr) return fallback;
  if (!value->is_string()) refuse(key, "expected a string, got " + shown(*value));
  return value->get<std::string>();
}

const Json& HfConfig::array(const std::string& key, const std::string& expected) const {
  const Json& value = get(key, expected);
  if (!value.is_array()) refuse(key, "expected " + expected + ", got " + shown(value));
  return value;
}

std::vector<std::string> HfConfig::texts(const std::string& key) const {
  std::vector<std::string> items;
  for (const Json& item : array(key, "an array of strings")) {
    if (!item.is_string())
      refuse(key, "expected an array of strings, got " + shown(item) + " in it");
    items.push_back(item.get<std::string>());
  }
  return items;
}

std::vector<double> HfConfig::positives(const std::string& key) const {
  std::vector<double> items;
  for (const Json& item : array(key, "an array of numbers"))
    items.push_back(checked_positive(item, key));
  return items;
}

std::vector<bool> HfConfig::switches(const std::string& key) const {
  constexpr const char* kExpected = "an array of 0 and 1";
  std::vector<bool> items;
  for (const Json& item : array(key, kExpected)) {
    if (!item.is_boolean() && item != 0 && item != 1)
      refuse(key, std::string("expected ") + kExpected + ", got " + shown(item) + " in it");
    items.push_back(item == 1 || item == true);
  }
  return items;
}

const HfConfig& HfConfig::object(const std::string& key) const {
  std::unique_ptr<HfConfig>& member = objects_[key];
  if (!member) {
    const Json& value = get(key, "an object");
    if (!value.is_object()) refuse(key, "expected an object, got " + shown(value));
    member = std::make_unique<HfConfig>(value, file_, facts_);
    member->prefix_ = prefix_ + key + ".";
  }
  return *member;
}

std::int64_t HfConfig::blocks(const std::string& key) const {
  const std::int64_t blocks = size(key);
  const std::int64_t most = std::min(static_cast<std::int64_t>(facts_.tensors), kMostBlocks);
  if (blocks > most) {
    refuse(key, "expected at most " + std::to_string(most) + " for the model's " +
                    std::to_string(facts_.tensors) + " tensors, got " + std::to_string(blocks));
  }
  return blocks;
}

bool HfConfig::tied(bool fallback) const {
  return flag("tie_word_embeddings", fallback) && !facts_.separate_head;
}

void HfConfig::expect_off(const std::string& key) const {
  if (flag(key, false)) refuse(key, "true is not supported");
}

void HfConfig::ignore_if(const std::string& key, const std::string& value) const {
  const Json* const found = core::find_member(json_, key);
  if (found != nullptr && found->is_string() && *found == value) ignore(key);
}

std::vector<std::string> HfConfig::warnings() const {
  std::vector<std::string> found;
  for (auto item = json_.begin(); item != json_.end(); ++item) {
    const bool off = item->is_null() || *item == false;
    if (asked_.count(item.key()) > 0 || off || is_harmless(item.key())) continue;
    found.push_back(file_.filename().string() + ": " + prefix_ + core::printable(item.key()) +
                    " is not used (" + shown(*item) + ")");
  }
  for (const auto& [key, object] : objects_) {
    for (std::string& warning : object->warnings()) found.push_back(std::move(warning));
  }
  return found;
}

}  // namespace salf::convert
