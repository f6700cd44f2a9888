// What does a config.json of Hugging Face say? Values are checked when they are asked for; what
// nobody asked for is known in the end.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/json.h"

namespace salf::convert {

inline constexpr const char* kConfigFile = "config.json";

// What the tensors say that a configuration alone does not.
struct CheckpointFacts {
  std::size_t tensors = 0;
  bool separate_head = false;  // there are values for the head that differ from the embedding's
};

// A key that is there with null is as one that is absent, unless said otherwise. Values of a wrong
// kind or out of range are an Error(kBadModel) that names file and key.
class HfConfig {
 public:
  // `file`: its path. Throws Error(kBadModel) if `json` is no object.
  HfConfig(core::Json json, std::filesystem::path file, CheckpointFacts facts);

  bool empty() const { return json_.empty(); }
  bool has(const std::string& key) const;
  bool is_null(const std::string& key) const;  // there, and null
  // Without a fallback the key must be there.
  std::int64_t size(const std::string& key,
      std::optional<std::int64_t> fallback = std::nullopt) const;           // 1 … 2^28
  std::int64_t count(const std::string& key, std::int64_t fallback) const;  // 0 … 2^28
  double positive(const std::string& key, std::optional<double> fallback = std::nullopt) const;
  bool flag(const std::string& key, bool fallback) const;
  std::string text(const std::string& key, const std::string& fallback) const;
  std::vector<std::string> texts(const std::string& key) const;
  std::vector<double> positives(const std::string& key) const;
  // Its warnings are part of this one's. REQUIRES: has(key)
  const HfConfig& object(const std::string& key) const;

  // A number of blocks: at most one for each tensor.
  std::int64_t blocks(const std::string& key) const;
  // tie_word_embeddings, unless the head differs from the embedding.
  bool tied(bool fallback) const;
  // Refuses a switch that is not off.
  void expect_off(const std::string& key) const;
  // The key is known and changes nothing.
  void ignore(const std::string& key) const;
  // The same if it says no more than is known already; otherwise it stays worth a warning.
  void ignore_if(const std::string& key, const std::string& value) const;

  // Throws Error(kBadModel) "FILE: KEY: PROBLEM", KEY with those that lead to it.
  [[noreturn]] void refuse(const std::string& key, const std::string& problem) const;

  // A warning for each key that nobody asked for, save those that are known to change nothing, null
  // and switches that are off.
  std::vector<std::string> warnings() const;

 private:
  const core::Json* find(
      const std::string& key) const;  // null if absent or null; the key counts as asked for
  const core::Json& get(const std::string& key, const char* expected) const;
  std::int64_t checked_whole(
      const core::Json& value, const std::string& key, std::int64_t least) const;
  double checked_positive(const core::Json& value, const std::string& key) const;

  std::filesystem::path file_;
  std::string prefix_;  // "rope_scaling." within that object
  core::Json json_;
  CheckpointFacts facts_;
  mutable std::set<std::string> asked_;
  mutable std::map<std::string, std::unique_ptr<HfConfig>> objects_;
};

}  // namespace salf::convert
