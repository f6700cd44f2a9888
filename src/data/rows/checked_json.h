// JSON of unknown origin. Each wrong value is named by file and JSON path. (core::Json finds a key
// by trying one after another, which is too slow for a vocabulary.)
#pragma once

#include <cstdint>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace salf::data {

using PlainJson = nlohmann::json;

// Parses one JSON value. `where` (the file) starts each message. Throws Error(kBadInput), also for
// duplicate keys and for nesting deeper than 64 levels.
PlainJson parse_checked(const std::string& text, const std::string& where);

// A value and its path ("file: model.vocab"). Keeps a reference to `value`.
class JsonView {
 public:
  JsonView(const PlainJson& value, std::string where) : value_(value), where_(std::move(where)) {}

  const PlainJson& value() const { return value_; }
  const std::string& where() const { return where_; }
  bool is_object() const { return value_.is_object(); }
  std::size_t size() const { return value_.size(); }

  // The member. Throws if it is absent or null.
  JsonView at(const char* key) const;
  // The member, or nothing if it is absent or null.
  std::optional<JsonView> find(const char* key) const;
  // The item of an array. REQUIRES: index < size()
  JsonView item(std::size_t index) const;
  // The items of an array. Throws for a value of another type.
  std::vector<JsonView> items() const;

  // These throw for a value of another type.
  const JsonView& array() const;
  const JsonView& object() const;
  const std::string& text() const;
  const std::string& character() const;  // one character
  bool boolean() const;
  std::int64_t id() const;  // a token id: a whole number from 0 to 2^31-1

  // A boolean member that may be absent or null.
  bool flag(const char* key, bool fallback) const;
  // Throws for members that are not listed.
  void only_keys(std::initializer_list<const char*> known) const;

  // Throws Error(kBadInput) "where: problem".
  [[noreturn]] void fail(const std::string& problem) const;
  [[noreturn]] void fail_type(const char* expected) const;

 private:
  const PlainJson& value_;
  std::string where_;
};

}  // namespace salf::data
