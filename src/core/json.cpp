#include "core/json.h"

#include <algorithm>
#include <cstdlib>

#include "core/files.h"
#include "core/log.h"
#include "core/text.h"

namespace salf::core {
namespace {

std::string dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

bool stands_on_one_line(const Json& array) {
  return std::all_of(array.begin(), array.end(), [](const Json& item) { return item.is_number(); });
}

void append_json(const Json& json, std::size_t indent, std::string& text);

void append_numbers(const Json& array, std::string& text) {
  text += '[';
  for (std::size_t i = 0; i < array.size(); ++i) {
    if (i > 0) text += ", ";
    text += dump(array[i]);
  }
  text += ']';
}

// The items of an array or object, one a line.
void append_lines(const Json& json, std::size_t indent, std::string& text) {
  const std::string inner(indent + 2, ' ');
  const char* separator = "\n";
  text += json.is_object() ? '{' : '[';
  for (auto item = json.begin(); item != json.end(); ++item) {
    text += separator + inner;
    if (json.is_object()) text += dump(item.key()) + ": ";
    append_json(*item, indent + 2, text);
    separator = ",\n";
  }
  text += '\n' + std::string(indent, ' ') + (json.is_object() ? '}' : ']');
}

void append_json(const Json& json, std::size_t indent, std::string& text) {
  if (!json.is_structured() || json.empty()) {
    text += dump(json);
  } else if (json.is_array() && stands_on_one_line(json)) {
    append_numbers(json, text);
  } else {
    append_lines(json, indent, text);
  }
}

struct Schema {
  std::string name;
  long version = 0;
};

// "salf.plan/1"; version 0 if it is no number.
Schema split_schema(const std::string& schema) {
  const auto slash = schema.rfind('/');
  if (slash == std::string::npos) return {schema, 0};
  const std::string digits = schema.substr(slash + 1);
  const bool is_number = !digits.empty() && digits.size() < 10 &&
                         digits.find_first_not_of("0123456789") == std::string::npos;
  return {schema.substr(0, slash), is_number ? std::strtol(digits.c_str(), nullptr, 10) : 0};
}

}  // namespace

Json read_json_file(const std::filesystem::path& path) {
  return parse_json(read_file(path), printable_path(path));
}

std::string format_json(const Json& json) {
  std::string text;
  append_json(json, 0, text);
  return text + '\n';
}

void write_json_file(const std::filesystem::path& path, const Json& json) {
  write_file_atomically(path, format_json(json));
}

void check_schema(const Json& json, const std::string& schema, const std::string& where) {
  if (!json.is_object()) throw_json_type(where, "an object", json);
  const Json* const found = find_member(json, "schema");
  if (found == nullptr) {
    throw Error(ErrorKind::kBadInput, where + ": expected a document with \"schema\": \"" + schema +
                                          "\", got one without a schema");
  }
  if (!found->is_string())
    throw_json_type(detail::member_path(where, "schema"), "a string", *found);
  const Schema expected = split_schema(schema);
  const Schema got = split_schema(found->get<std::string>());
  if (got.name != expected.name || got.version < 1) {
    throw_json_type(detail::member_path(where, "schema"), "\"" + schema + "\"", *found);
  }
  if (got.version > expected.version) {
    throw Error(ErrorKind::kBadInput, where + ": made by a newer salf (" + got.name + "/" +
                                          std::to_string(got.version) + ", this one reads up to " +
                                          schema + "); update salf, or make the file again");
  }
}

const Json* find_member(const Json& json, const std::string& key) {
  if (!json.is_object()) return nullptr;
  for (const auto& [name, value] : json.get_ref<const Json::object_t&>()) {
    if (name == key) return &value;
  }
  return nullptr;
}

void throw_json_type(const std::string& where, const std::string& expected, const Json& got) {
  std::string found = got.type_name();
  if (got.is_primitive() && !got.is_null()) found = printable(dump(got), 80);
  if (got.is_object() || got.is_array()) found = "an " + found;
  throw Error(ErrorKind::kBadInput, where + ": expected " + expected + ", got " + found);
}

namespace detail {

std::string member_path(const std::string& where, const std::string& key) {
  return where + (where.find(": ") == std::string::npos ? ": " : ".") + key;
}

std::string item_path(const std::string& where, std::size_t index) {
  return where + (where.find(": ") == std::string::npos ? ": [" : "[") + std::to_string(index) +
         "]";
}

void check_keys(const Json& json, const std::vector<std::string>& known, const std::string& where) {
  for (auto item = json.begin(); item != json.end(); ++item) {
    const std::string& key = item.key();
    if (std::find(known.begin(), known.end(), key) != known.end()) continue;
    const std::string near = closest(key, known);
    throw Error(ErrorKind::kBadInput, where + ": unknown key \"" + printable(key) + "\"" +
                                          (near.empty() ? "; known are " + join(known, ", ")
                                                        : "; did you mean \"" + near + "\"?"));
  }
}

}  // namespace detail
}  // namespace salf::core
