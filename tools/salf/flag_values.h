// The value of a flag: read from its text, and described in the help.
#pragma once

#include <charconv>
#include <cmath>

#include "core/json.h"

namespace salf::tools::detail {

// Reads all of the text as a finite number.
template <class T> bool parse_number(const std::string& text, T& value) {
  const char* const end = text.data() + text.size();
  T parsed{};
  const auto result = std::from_chars(text.data(), end, parsed);
  if (result.ec != std::errc() || result.ptr != end) return false;
  if constexpr (std::is_floating_point_v<T>) {
    if (!std::isfinite(parsed)) return false;
  }
  value = parsed;
  return true;
}

// "" when the text is a value, which a list gets added; else what was expected ("a whole number").
template <class T> std::string parse_field(const std::string& text, T& value) {
  if constexpr (core::IsOptional<T>::value) {
    return parse_field(text, value.emplace());
  } else if constexpr (core::IsVector<T>::value) {
    return parse_field(text, value.emplace_back());
  } else if constexpr (std::is_enum_v<T>) {
    const auto parsed = core::enum_from_string<T>(text);
    if (!parsed) return core::enum_choices<T>();
    value = *parsed;
    return "";
  } else if constexpr (std::is_same_v<T, std::string>) {
    value = text;
    return "";
  } else {
    if (parse_number(text, value)) return "";
    if (std::is_floating_point_v<T>) return "a number";
    return std::is_signed_v<T> ? "a whole number" : "a whole number from 0";
  }
}

template <class T> std::string default_text(const T& value) {
  const core::Json json = core::to_json(value);
  if (json.is_null() || json.is_array()) return "";
  return json.is_string() ? json.get<std::string>() : json.dump();
}

// What stands for the value in the help: the choices of an enum, else its kind.
template <class T> std::string type_text() {
  if constexpr (core::IsOptional<T>::value || core::IsVector<T>::value) {
    return type_text<typename T::value_type>();
  } else if constexpr (std::is_enum_v<T>) {
    std::string text;
    for (const auto& entry : enum_names(T{}))
      text += (text.empty() ? "" : "|") + std::string(entry.name);
    return text;
  } else if constexpr (std::is_integral_v<T>) {
    return "N";
  } else if constexpr (std::is_floating_point_v<T>) {
    return "X";
  } else {
    return "TEXT";
  }
}

}  // namespace salf::tools::detail
