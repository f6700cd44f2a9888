// How is JSON of unknown origin read so that each wrong value is named by file and JSON path?
// (core::Json keeps the order of keys and so looks them up one by one: too slow for a vocabulary.)
#pragma once

#include <cstdint>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

namespace salf::data {

using PlainJson = nlohmann::json;  // "json" is the name of many variables

// Parses one JSON value. Duplicate keys and nesting deeper than 64 levels are errors.
// `where` (the file) starts each message. Throws Error(kBadInput).
PlainJson parse_checked(const std::string& text, const std::string& where);

// A value and its path ("file: model.vocab"). Keeps a reference to `value`.
class JsonView {
 public:
  JsonView(const PlainJson& value, std::string where) : value_(value), where_(std::move(where)) {}

  const PlainJson& value() const { return value_; }
  const std::string& where() const { return where_; }
  bool is_object() const { return value_.is_object(); }
  std::size_t size() const { return value_.size(); }

  // The member, which must be there and not null.
  JsonView at(const char* key) const;
  // The member unless it is absent or null.
  std::optional<JsonView> find(const char* key) const;
  // The item of an array. REQUIRES: index < size()
  JsonView item(std::size_t index) const;

  // These check the type.
  const JsonView& array() const;
  const JsonView& object() const;
  const std::string& text() const;
  const std::string& character() const;  // a text of one character
  bool boolean() const;
  std::int64_t id() const;  // a token id: a whole number of 0 … 2^31-1

  // A boolean member that may be absent or null.
  bool flag(const char* key, bool fallback) const;
  // Refuses members that are not listed: they could mean anything.
  void only_keys(std::initializer_list<const char*> known) const;

  // Throws Error(kBadInput) "where: problem".
  [[noreturn]] void fail(const std::string& problem) const;
  [[noreturn]] void fail_type(const char* expected) const;

 private:
  const PlainJson& value_;
  std::string where_;
};

}  // namespace salf::data
