// A check of every number of a described struct against its range.
#pragma once

#include <cmath>
#include <filesystem>
#include <string_view>

#include "core/error.h"
#include "core/fields.h"
#include "core/json.h"
#include "core/text.h"

namespace salf::types {

struct RangeCheck {
  std::string where;

  template <class T> void operator()(const core::Field& field, const T& value) const {
    visit(field, value, core::detail::member_path(where, field.name));
  }

 private:
  template <class T>
  void visit(const core::Field& field, const T& value, const std::string& path) const {
    if constexpr (core::IsOptional<T>::value) {
      if (value) visit(field, *value, path);
    } else if constexpr (core::IsVector<T>::value) {
      std::size_t i = 0;
      for (const auto& item : value) visit(field, item, core::detail::item_path(path, i++));
    } else if constexpr (core::IsDescribed<T>::value) {
      RangeCheck inner{path};
      T::fields(value, inner);
    } else if constexpr (std::is_arithmetic_v<T> && !std::is_same_v<T, bool>) {
      check_number(field, static_cast<double>(value), path);
    }
  }

  static void check_number(const core::Field& field, double value, const std::string& path) {
    const std::string_view name = field.name;
    const bool error_of_a_mean = name == "standard_error" || name == "gain_error";
    if (error_of_a_mean && std::isnan(value)) return;  // fewer than two documents
    const bool low = field.above_minimum ? value <= field.minimum : value < field.minimum;
    if (std::isfinite(value) && !low && value <= field.maximum) return;
    std::string expected = "a finite number";
    if (field.above_minimum) {
      expected = "a number above " + core::format_number(field.minimum);
    } else if (std::isfinite(field.minimum)) {
      expected = core::format_number(field.minimum) + " to " + core::format_number(field.maximum);
    }
    throw Error(ErrorKind::kBadInput,
        path + ": expected " + expected + ", got " + core::format_number(value));
  }
};

// Throws Error(kBadInput) with the JSON path below `where` of the first number that is not finite
// or out of range. Standard errors may be NaN.
template <class T> void check_ranges(const T& value, const std::string& where) {
  RangeCheck check{where};
  T::fields(value, check);
}

// core::read_document and the type's check(value, path).
template <class T> T read_checked(const std::filesystem::path& path) {
  auto document = core::read_document<T>(path);
  check(document, path.string());
  return document;
}

// Throws Error(kBadInput): "PATH: PROBLEM".
[[noreturn]] inline void refuse_document(const std::string& path, const std::string& problem) {
  throw Error(ErrorKind::kBadInput, path + ": " + problem);
}

}  // namespace salf::types
