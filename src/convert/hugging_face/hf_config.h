// Typed access to a config.json. Values are checked when read, and keys that nobody read warn.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "convert/output.h"
#include "core/json.h"

namespace salf::convert {

inline constexpr const char* kConfigFile = "config.json";
inline constexpr const char* kWeightsFile = "model.safetensors";
inline constexpr const char* kWeightsIndex = "model.safetensors.index.json";
inline constexpr const char* kHeadWeight = "lm_head.weight";

// Facts about the tensors that a configuration does not state.
struct CheckpointFacts {
  std::size_t tensors = 0;
  bool separate_head = false;  // the head has values other than the embedding's
};

// A key with null counts as absent unless said otherwise. Readers throw Error(kBadModel) with file
// and key for a value of a wrong kind or out of range.
class HfConfig {
 public:
  // `file`: its path. Throws Error(kBadModel) if `json` is no object.
  HfConfig(core::Json json, std::filesystem::path file, CheckpointFacts facts);

  bool empty() const { return json_.empty(); }
  bool has(const std::string& key) const { return find(key) != nullptr; }
  bool is_null(const std::string& key) const;  // there, and null
  // Without a fallback the key must be there.
  std::int64_t size(
      const std::string& key, std::optional<std::int64_t> fallback = std::nullopt) const {
    return whole(key, 1, fallback);  // 1 … 2^28
  }
  std::int64_t count(const std::string& key, std::int64_t fallback) const {
    return whole(key, 0, fallback);  // 0 … 2^28
  }
  double positive(const std::string& key, std::optional<double> fallback = std::nullopt) const;
  bool flag(const std::string& key, bool fallback) const;
  std::string text(const std::string& key, const std::string& fallback) const;
  std::vector<std::string> texts(const std::string& key) const;
  std::vector<double> positives(const std::string& key) const;
  std::vector<bool> switches(const std::string& key) const;  // of 0 and 1, or false and true
  // Its warnings() are part of this one's. REQUIRES: has(key)
  const HfConfig& object(const std::string& key) const;

  // A number of blocks: at most one for each tensor.
  std::int64_t blocks(const std::string& key) const;
  // tie_word_embeddings, unless the head differs from the embedding.
  bool tied(bool fallback) const;
  // Refuses a switch that is not off.
  void expect_off(const std::string& key) const;
  // Takes the key as read.
  void ignore(const std::string& key) const { asked_.insert(key); }
  // The same if it has this value.
  void ignore_if(const std::string& key, const std::string& value) const;

  // Throws Error(kBadModel) "FILE: KEY: PROBLEM", KEY with its parents.
  [[noreturn]] void refuse(const std::string& key, const std::string& problem) const;

  // A warning for each key that nobody read, except harmless ones, null and switches that are off.
  std::vector<std::string> warnings() const;

 private:
  // nullptr if absent or null. The key counts as read.
  const core::Json* find(const std::string& key) const;
  const core::Json& get(const std::string& key, const std::string& expected) const;
  const core::Json& array(const std::string& key, const std::string& expected) const;
  std::int64_t whole(
      const std::string& key, std::int64_t least, std::optional<std::int64_t> fallback) const;
  double checked_positive(const core::Json& value, const std::string& key) const;

  std::filesystem::path file_;
  std::string prefix_;  // "rope_scaling." within that object
  core::Json json_;
  CheckpointFacts facts_;
  mutable std::set<std::string> asked_;
  mutable std::map<std::string, std::unique_ptr<HfConfig>> objects_;
};

}  // namespace salf::convert
