// Which token has which id?
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "data/rows/checked_json.h"

namespace salf::data {

class Vocabulary {
 public:
  // The largest id that `count` tokens may have: vocabularies are padded, but a table is never made
  // because one id is huge.
  static std::size_t limit(std::size_t count);

  // REQUIRES: id is not taken. A token that is there already is found under the new id from now on.
  void add(const std::string& token, std::size_t id);

  // id -> token; nothing for the holes. The largest id is size() - 1.
  const std::vector<std::optional<std::string>>& tokens() const { return tokens_; }
  std::size_t size() const { return tokens_.size(); }
  bool empty() const { return ids_.empty(); }
  std::optional<std::int64_t> id(const std::string& token) const;
  const std::unordered_map<std::string, std::int32_t>& ids() const { return ids_; }

 private:
  std::vector<std::optional<std::string>> tokens_;
  std::unordered_map<std::string, std::int32_t> ids_;
};

// {"token": id, …}. Throws Error(kBadInput).
Vocabulary read_vocabulary(const JsonView& vocab);

}  // namespace salf::data
