#include "data/rows/checked_json.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <utility>

#include "core/log.h"
#include "core/text.h"
#include "data/bad_input.h"
#include "data/text/utf8.h"

namespace salf::data {
namespace {

constexpr std::size_t kDeepest = 64;

// Note [Numbers as Rust reads them]
// serde_json, which reads tokenizer.json for Hugging Face's tokenizers, multiplies or divides a
// whole number by a power of ten, so its last bit may be wrong. The last bit of a score decides
// between equally good ways to cut a word.
double number_as_rust(const std::string& text) {
  constexpr std::uint64_t kMost = std::numeric_limits<std::uint64_t>::max();
  std::uint64_t significand = 0;
  std::int64_t exponent = 0;
  bool fraction = false;
  bool full = false;
  std::size_t at = text[0] == '-' ? 1 : 0;
  for (; at < text.size() && text[at] != 'e' && text[at] != 'E'; ++at) {
    if (text[at] == '.') {
      fraction = true;
      continue;
    }
    const auto digit = static_cast<std::uint64_t>(text[at] - '0');
    full = full || significand > (kMost - digit) / 10;
    if (!full) significand = significand * 10 + digit;
    if (full != fraction) exponent += fraction ? -1 : 1;
  }
  if (at < text.size()) exponent += std::strtol(text.c_str() + at + 1, nullptr, 10);
  double value = static_cast<double>(significand);
  for (; exponent < -308 && value != 0.0; exponent += 308) value /= 1e308;
  if (value != 0.0 && exponent != 0) {
    const double power =
        std::pow(10.0, static_cast<double>(std::min<std::int64_t>(std::abs(exponent), 400)));
    exponent > 0 ? value *= power : value /= power;
  }
  return text[0] == '-' ? -value : value;
}

// Builds the value from the parser's events, which show depth and duplicate keys.
class CheckedBuilder : public nlohmann::json_sax<PlainJson> {
 public:
  CheckedBuilder(PlainJson& root, const std::string& where) : root_(root), where_(where) {}

  bool null() override { return put(nullptr); }
  bool boolean(bool value) override { return put(value); }
  bool number_integer(PlainJson::number_integer_t value) override { return put(value); }
  bool number_unsigned(PlainJson::number_unsigned_t value) override { return put(value); }
  bool number_float(PlainJson::number_float_t, const std::string& text) override {
    return put(number_as_rust(text));
  }
  bool string(std::string& value) override { return put(std::move(value)); }
  bool binary(PlainJson::binary_t&) override { return false; }  // JSON text has none
  bool start_object(std::size_t) override { return open(PlainJson::object()); }
  bool start_array(std::size_t) override { return open(PlainJson::array()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }

  bool key(std::string& name) override {
    const auto inserted = open_.back()->emplace(name, nullptr);
    if (!inserted.second)
      refuse(where_, "the key \"" + core::printable(name) + "\" occurs twice in one object");
    member_ = &*inserted.first;
    return true;
  }

  bool parse_error(std::size_t, const std::string&, const PlainJson::exception& error) override {
    refuse(where_, std::string("not valid JSON: ") + core::printable(error.what(), 400));
  }

 private:
  PlainJson* place(PlainJson&& value) {
    if (open_.empty()) {
      root_ = std::move(value);
      return &root_;
    }
    if (open_.back()->is_array()) {
      open_.back()->push_back(std::move(value));
      return &open_.back()->back();
    }
    *member_ = std::move(value);
    return member_;
  }

  bool put(PlainJson&& value) {
    place(std::move(value));
    return true;
  }

  // A parent gets no new member while its child is open, so the pointers stay valid.
  bool open(PlainJson&& value) {
    if (open_.size() >= kDeepest)
      refuse(where_, "nested deeper than " + std::to_string(kDeepest) + " levels");
    open_.push_back(place(std::move(value)));
    return true;
  }

  bool close() {
    open_.pop_back();
    return true;
  }

  PlainJson& root_;
  const std::string& where_;
  std::vector<PlainJson*> open_;
  PlainJson* member_ = nullptr;
};

}  // namespace

PlainJson parse_checked(const std::string& text, const std::string& where) {
  PlainJson root;
  CheckedBuilder builder(root, where);
  PlainJson::sax_parse(text, &builder);
  return root;
}

JsonView JsonView::at(const char* key) const {
  auto member = object().find(key);
  if (!member) fail(std::string("expected a member \"") + key + "\", found none");
  return *member;
}

std::optional<JsonView> JsonView::find(const char* key) const {
  const auto& members = object().value_.get_ref<const PlainJson::object_t&>();
  const auto found = members.find(key);
  if (found == members.end() || found->second.is_null()) return std::nullopt;
  return JsonView(
      found->second, where_ + (where_.empty() || where_.back() == ' ' ? "" : ".") + key);
}

JsonView JsonView::item(std::size_t index) const {
  return JsonView(value_[index], where_ + "[" + std::to_string(index) + "]");
}

std::vector<JsonView> JsonView::items() const {
  std::vector<JsonView> items;
  for (std::size_t i = 0; i < array().size(); ++i) items.push_back(item(i));
  return items;
}

const JsonView& JsonView::array() const {
  if (!value_.is_array()) fail_type("an array");
  return *this;
}

const JsonView& JsonView::object() const {
  if (!value_.is_object()) fail_type("an object");
  return *this;
}

const std::string& JsonView::text() const {
  if (!value_.is_string()) fail_type("a string");
  return value_.get_ref<const std::string&>();
}

const std::string& JsonView::character() const {
  const std::string& whole = text();
  if (whole.empty() || first_character(whole).bytes != whole.size()) fail_type("one character");
  return whole;
}

bool JsonView::boolean() const {
  if (!value_.is_boolean()) fail_type("true or false");
  return value_.get<bool>();
}

std::int64_t JsonView::id() const {
  constexpr std::uint64_t kLargest = std::numeric_limits<std::int32_t>::max();
  if (!value_.is_number_unsigned() || value_.get<std::uint64_t>() > kLargest) {
    fail_type("a token id (a whole number from 0 to 2147483647)");
  }
  return static_cast<std::int64_t>(value_.get<std::uint64_t>());
}

bool JsonView::flag(const char* key, bool fallback) const {
  const auto member = find(key);
  return member ? member->boolean() : fallback;
}

void JsonView::only_keys(std::initializer_list<const char*> known) const {
  const std::vector<std::string> names(known.begin(), known.end());
  for (const auto& member : object().value_.items()) {
    if (std::find(names.begin(), names.end(), member.key()) != names.end()) continue;
    fail("\"" + core::printable(member.key()) +
         "\" is not supported; known: " + core::join(names, ", "));
  }
}

void JsonView::fail(const std::string& problem) const {
  const bool root = !where_.empty() && where_.back() == ' ';  // "file: "
  throw Error(ErrorKind::kBadInput, where_ + (root ? "" : ": ") + problem);
}

void JsonView::fail_type(const char* expected) const {
  fail(std::string("expected ") + expected + ", found " +
       core::printable(value_.is_structured() ? value_.type_name() : value_.dump()));
}

}  // namespace salf::data
