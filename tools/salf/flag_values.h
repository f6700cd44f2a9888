// The value of a flag: read from its text, and described in the help.
#pragma once

#include <cstdint>
#include <string>
#include <type_traits>

#include "core/fields.h"
#include "core/json.h"

namespace salf::tools::detail {

// Parsers of one value: "" when the text is one, else what was expected ("a whole number").
std::string parse_value(const std::string& text, std::int64_t& value);
std::string parse_value(const std::string& text, std::uint64_t& value);
std::string parse_value(const std::string& text, double& value);
std::string parse_value(const std::string& text, std::string& value);

template <class T>
std::string parse_field(const std::string& text, T& value) {
  if constexpr (core::IsOptional<T>::value) {
    return parse_field(text, value.emplace());
  } else if constexpr (core::IsVector<T>::value) {
    return parse_field(text, value.emplace_back());
  } else if constexpr (std::is_enum_v<T>) {
    const auto parsed = core::enum_from_string<T>(text);
    if (!parsed) return core::enum_choices<T>();
    value = *parsed;
    return "";
  } else {
    return parse_value(text, value);
  }
}

template <class T>
std::string default_text(const T& value) {
  const core::Json json = core::to_json(value);
  if (json.is_null() || (json.is_string() && json.get<std::string>().empty())) return "";
  if (json.is_array()) return "";
  return json.is_string() ? json.get<std::string>() : json.dump();
}

// What stands for the value in the help: the choices of an enum, else its kind.
template <class T>
std::string type_text() {
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
