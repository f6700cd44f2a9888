#include "core/fields.h"

#include <algorithm>
#include <cmath>

#include "core/text.h"

namespace salf::core {

std::string flag_name(const std::string& field_name) {
  std::string name = "--" + field_name;
  std::replace(name.begin(), name.end(), '_', '-');
  return name;
}

std::string range_text(const Field& field) {
  const bool low = std::isfinite(field.minimum);
  const bool high = std::isfinite(field.maximum);
  std::string text;
  if (low && !field.above_minimum && high) {
    return "from " + format_number(field.minimum, 6) + " to " + format_number(field.maximum, 6);
  }
  if (low) text = (field.above_minimum ? "above " : "at least ") + format_number(field.minimum, 6);
  if (low && high) text += " and ";
  if (high) text += "at most " + format_number(field.maximum, 6);
  return text;
}

namespace detail {

std::string range_problem(const Field& field, const std::string& name, double value) {
  const std::string range = range_text(field);
  return flag_name(name) + ": expected a number" + (range.empty() ? "" : " " + range) + ", got " +
         format_number(value, 6);
}

}  // namespace detail
}  // namespace salf::core
