// Writes described structs (fields.h) as JSON files and reads them back. Errors name the file and
// the JSON path.
#pragma once

#include <cmath>
#include <filesystem>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

#include "core/error.h"
#include "core/fields.h"

namespace salf::core {

using Json = nlohmann::ordered_json;

// Parses one JSON value. `where` ("file.json" or "data.jsonl:17") starts each error message; a
// place within the value follows as "file.json: budget.amount" or "file.json: blocks[3]". Nesting
// deeper than 64 levels, duplicate keys and numbers beyond double's range are errors. Objects of
// many keys take linear time to parse, but looking one key up is linear too: iterate over large
// ones. Throws Error(kBadInput).
Json parse_json(const std::string& text, const std::string& where);

// Reads a file of at most 1 GiB as JSON. Throws Error(kIo) or Error(kBadInput).
Json read_json_file(const std::filesystem::path& path);

// Writes indented JSON and a newline, atomically (files.h). Arrays of numbers stand on one line.
// Numbers that are not finite become null, bytes that are not UTF-8 U+FFFD.
void write_json_file(const std::filesystem::path& path, const Json& json);

// The text that write_json_file writes.
std::string format_json(const Json& json);

// Checks a "schema": "salf.NAME/VERSION" field: another name is an error, and so is a newer version
// ("made by a newer salf"); an older one is accepted. Throws Error(kBadInput).
void check_schema(const Json& json, const std::string& schema, const std::string& where);

// The member of that name, or null if there is none or `json` is no object.
const Json* find_member(const Json& json, const std::string& key);

// "WHERE: expected EXPECTED, got …" as Error(kBadInput).
[[noreturn]] void throw_json_type(
    const std::string& where, const std::string& expected, const Json& got);

template <class T> Json to_json(const T& value);
// Fills `value`; keys that are absent keep their value, unknown keys are errors. Throws
// Error(kBadInput).
template <class T> void from_json(const Json& json, const std::string& where, T& value);

namespace detail {

// The place of a member or an item of the value at `where`.
std::string member_path(const std::string& where, const std::string& key);
std::string item_path(const std::string& where, std::size_t index);

struct JsonWriter {
  Json& json;
  template <class T> void operator()(const Field& field, const T& value) {
    if constexpr (IsOptional<T>::value) {
      if (value) json[field.name] = to_json(*value);
    } else {
      json[field.name] = to_json(value);
    }
  }
};

struct JsonReader {
  const Json& json;
  const std::string& where;
  template <class T> void operator()(const Field& field, T& value) {
    const Json* found = find_member(json, field.name);
    if (found == nullptr && field.former != nullptr) found = find_member(json, field.former);
    if (found != nullptr) from_json(*found, member_path(where, field.name), value);
  }
};

struct NameCollector {
  std::vector<std::string> names;
  template <class T> void operator()(const Field& field, T&) {
    names.emplace_back(field.name);
    if (field.former != nullptr) names.emplace_back(field.former);
  }
};

void check_keys(const Json& json, const std::vector<std::string>& known, const std::string& where);

// Whether a JSON whole number can be a T without wrapping.
template <class T> bool fits(const Json& json) {
  if (json.is_number_unsigned() || json.get<std::int64_t>() >= 0) {
    return json.get<std::uint64_t>() <= static_cast<std::uint64_t>(std::numeric_limits<T>::max());
  }
  return std::is_signed_v<T> &&
         json.get<std::int64_t>() >= static_cast<std::int64_t>(std::numeric_limits<T>::min());
}

// "a whole number from -128 to 127"
template <class T> std::string integer_text() {
  return "a whole number from " + std::to_string(std::numeric_limits<T>::min()) + " to " +
         std::to_string(std::numeric_limits<T>::max());
}

}  // namespace detail

template <class T> Json to_json(const T& value) {
  if constexpr (IsOptional<T>::value) {
    return value ? to_json(*value) : Json(nullptr);
  } else if constexpr (IsVector<T>::value) {
    Json array = Json::array();
    for (const auto& item : value)
      array.push_back(to_json(static_cast<const typename T::value_type&>(item)));
    return array;
  } else if constexpr (IsDescribed<T>::value) {
    Json object = Json::object();
    detail::JsonWriter writer{object};
    T::fields(value, writer);
    return object;
  } else if constexpr (std::is_enum_v<T>) {
    return enum_to_string(value);
  } else {
    return value;
  }
}

template <class T> void from_json(const Json& json, const std::string& where, T& value) {
  if constexpr (IsOptional<T>::value) {
    if (json.is_null()) {
      value.reset();
    } else {
      value.emplace();
      from_json(json, where, *value);
    }
  } else if constexpr (IsVector<T>::value) {
    value.clear();
    if constexpr (std::is_same_v<typename T::value_type, std::string>) {
      if (json.is_string()) return value.push_back(json.get<std::string>());  // a list of one
    }
    if (!json.is_array()) throw_json_type(where, "an array", json);
    for (std::size_t i = 0; i < json.size(); ++i) {
      typename T::value_type item{};
      from_json(json[i], detail::item_path(where, i), item);
      value.push_back(std::move(item));
    }
  } else if constexpr (IsDescribed<T>::value) {
    if (!json.is_object()) throw_json_type(where, "an object", json);
    detail::NameCollector collector;
    T::fields(value, collector);
    detail::check_keys(json, collector.names, where);
    detail::JsonReader reader{json, where};
    T::fields(value, reader);
  } else if constexpr (std::is_enum_v<T>) {
    const auto parsed =
        json.is_string() ? enum_from_string<T>(json.get<std::string>()) : std::optional<T>();
    if (!parsed) throw_json_type(where, enum_choices<T>(), json);
    value = *parsed;
  } else if constexpr (std::is_same_v<T, bool>) {
    if (!json.is_boolean()) throw_json_type(where, "true or false", json);
    value = json.get<bool>();
  } else if constexpr (std::is_integral_v<T>) {
    if (!json.is_number_integer()) throw_json_type(where, "a whole number", json);
    if (!detail::fits<T>(json)) throw_json_type(where, detail::integer_text<T>(), json);
    value = json.get<T>();
  } else if constexpr (std::is_floating_point_v<T>) {
    if (json.is_null()) {
      value = std::nan("");  // what the writer makes of a value that is not finite
    } else if (json.is_number()) {
      value = json.get<T>();
    } else {
      throw_json_type(where, "a number", json);
    }
  } else {
    if (!json.is_string()) throw_json_type(where, "a string", json);
    value = json.get<std::string>();
  }
}

namespace detail {

template <class T, class = void> struct HasRetired : std::false_type {};
template <class T> struct HasRetired<T, std::void_t<decltype(T::kRetired)>> : std::true_type {};
template <class T, class = void> struct HasFormerSchema : std::false_type {};
template <class T> struct HasFormerSchema<T, std::void_t<decltype(T::kFormerSchema)>>
    : std::true_type {};

}  // namespace detail

// A file with a schema: T has `static constexpr const char* kSchema`. Keys that older versions
// wrote and this one ignores are listed in `static constexpr const char* kRetired[]`, where there
// are any; kFormerSchema is an earlier name of the schema.
template <class T> Json document_json(const T& value) {
  Json json = Json::object();
  json["schema"] = T::kSchema;
  json.update(to_json(value));
  return json;
}

template <class T> void write_document(const std::filesystem::path& path, const T& value) {
  write_json_file(path, document_json(value));
}

// The document of `json`; `where` is as in parse_json. Throws Error(kBadInput).
template <class T> T document_from(Json json, const std::string& where) {
  if constexpr (detail::HasFormerSchema<T>::value) {
    const Json* const schema = find_member(json, "schema");
    if (schema != nullptr && *schema == T::kFormerSchema) json["schema"] = T::kSchema;
  }
  check_schema(json, T::kSchema, where);
  json.erase("schema");
  if constexpr (detail::HasRetired<T>::value) {
    for (const char* key : T::kRetired) json.erase(key);
  }
  T value{};
  from_json(json, where, value);
  return value;
}

template <class T> T read_document(const std::filesystem::path& path) {
  return document_from<T>(read_json_file(path), path.string());
}

}  // namespace salf::core
