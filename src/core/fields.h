// Described structs: each names its fields once, and JSON, command-line flags, help and range
// checks come from that list. Such a struct has a static member template
//
//   template <class Self, class Visitor>
//   static void fields(Self& self, Visitor& visit) {
//     begin_group(visit, "Analysis");
//     visit(Field{"documents", "documents drawn for calibration"}.range(1, 1e9), self.documents);
//     DataOptions::fields(self.data, visit);  // a shared group: its fields stand beside these
//   }
//
// where Self is the struct or its const version. Field types: bool, std::int64_t, double,
// std::string, described enums, described structs, std::optional and std::vector of those: their
// headers come with this one.
#pragma once

#include <cstddef>
#include <limits>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace salf::core {

// One field: its name in JSON (snake_case; the flag is --snake-case), one line of help, and its
// range.
struct Field {
  const char* name;
  const char* help = "";
  const char* former = nullptr;  // an earlier name, which files and flags may still use
  double minimum = -std::numeric_limits<double>::infinity();  // inclusive
  double maximum = std::numeric_limits<double>::infinity();   // inclusive
  bool above_minimum = false;                                 // the minimum itself is excluded
  bool often_used = false;  // shown by --help where a command has many options

  constexpr Field(const char* field_name, const char* field_help = "")
      : name(field_name), help(field_help) {}

  constexpr Field range(double low, double high) const {
    Field copy = *this;
    copy.minimum = low;
    copy.maximum = high;
    return copy;
  }
  constexpr Field formerly(const char* earlier_name) const {
    Field copy = *this;
    copy.former = earlier_name;
    return copy;
  }
  constexpr Field common() const {
    Field copy = *this;
    copy.often_used = true;
    return copy;
  }
  constexpr Field positive() const {
    Field copy = *this;
    copy.minimum = 0.0;
    copy.above_minimum = true;
    return copy;
  }
};

template <class Visitor, class = void> struct TakesGroups : std::false_type {};
template <class Visitor>
struct TakesGroups<Visitor, std::void_t<decltype(std::declval<Visitor&>().begin_group(""))>>
    : std::true_type {};

// The fields that are visited from here on stand under this heading in the help. Called at the
// start of a struct's fields.
template <class Visitor> void begin_group(Visitor& visit, const char* heading) {
  if constexpr (TakesGroups<Visitor>::value) visit.begin_group(heading);
}

// "--batch-tokens" for "batch_tokens".
std::string flag_name(const std::string& field_name);
// "from 1 to 1000", "above 0", "at most 5" or "" where every number is allowed.
std::string range_text(const Field& field);

// An enum is described by a function found by argument-dependent lookup:
//   inline std::vector<EnumName<Measure>> enum_names(Measure) { return {{Measure::kCosine,
//   "cosine"}, …}; }
template <class Enum> struct EnumName {
  Enum value;
  const char* name;
};

template <class Enum> std::string enum_to_string(Enum value) {
  for (const auto& entry : enum_names(Enum{})) {
    if (entry.value == value) return entry.name;
  }
  return "?";
}

template <class Enum> std::optional<Enum> enum_from_string(const std::string& text) {
  for (const auto& entry : enum_names(Enum{})) {
    if (text == entry.name) return entry.value;
  }
  return std::nullopt;
}

// "a, b or c"
template <class Enum> std::string enum_choices() {
  const auto names = enum_names(Enum{});
  std::string text;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (i > 0) text += i + 1 == names.size() ? " or " : ", ";
    text += names[i].name;
  }
  return text;
}

template <class T> struct IsOptional : std::false_type {};
template <class T> struct IsOptional<std::optional<T>> : std::true_type {};
template <class T> struct IsVector : std::false_type {};
template <class T> struct IsVector<std::vector<T>> : std::true_type {};

struct NoVisitor {
  template <class T> void operator()(const Field&, T&) {}
};
template <class T, class = void> struct IsDescribed : std::false_type {};
template <class T> struct IsDescribed<T,
    std::void_t<decltype(T::fields(std::declval<T&>(), std::declval<NoVisitor&>()))>>
    : std::true_type {};

namespace detail {

std::string range_problem(const Field& field, const std::string& name, double value);

struct RangeVisitor {
  std::string prefix;  // "" or "outer.", the structs around this one
  std::vector<std::string> problems;

  template <class T> void operator()(const Field& field, const T& value) {
    if constexpr (IsOptional<T>::value) {
      if (value) (*this)(field, *value);
    } else if constexpr (IsVector<T>::value) {
      for (const auto& item : value) {
        (*this)(field, static_cast<const typename T::value_type&>(item));
      }
    } else if constexpr (IsDescribed<T>::value) {
      RangeVisitor inner{prefix + field.name + ".", {}};
      T::fields(value, inner);
      problems.insert(problems.end(), inner.problems.begin(), inner.problems.end());
    } else if constexpr (std::is_arithmetic_v<T> && !std::is_same_v<T, bool>) {
      const double number = static_cast<double>(value);
      const bool low = field.above_minimum ? !(number > field.minimum) : !(number >= field.minimum);
      if (low || !(number <= field.maximum)) {
        problems.push_back(range_problem(field, prefix + field.name, number));
      }
    }
  }
};

}  // namespace detail

// Every number in `object` that lies outside its field's range or is NaN, one message each
// ("--documents: expected a number from 1 to 1000, got 0"). Structs within are looked through.
template <class T> std::vector<std::string> range_problems(const T& object) {
  detail::RangeVisitor visitor;
  T::fields(object, visitor);
  return visitor.problems;
}

}  // namespace salf::core

namespace salf {
using core::Field;  // for the lists of every module
}
