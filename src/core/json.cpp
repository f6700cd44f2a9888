#include "core/json.h"

#include <algorithm>
#include <cstdlib>
#include <unordered_set>

#include "core/files.h"
#include "core/log.h"
#include "core/text.h"

namespace salf::core {
namespace {

std::string dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

// Arrays of numbers stand on one line; of others each item has its own.
void append_json(const Json& json, std::size_t indent, std::string& text) {
  if (!json.is_structured() || json.empty()) {
    text += dump(json);
    return;
  }
  const bool object = json.is_object();
  const bool one_line = !object && std::all_of(json.begin(), json.end(),
                                       [](const Json& item) { return item.is_number(); });
  const std::string inner = one_line ? "" : "\n" + std::string(indent + 2, ' ');
  text += object ? '{' : '[';
  for (auto item = json.begin(); item != json.end(); ++item) {
    if (item != json.begin()) text += one_line ? ", " : ",";
    text += inner;
    if (object) text += dump(item.key()) + ": ";
    append_json(*item, indent + 2, text);
  }
  if (!one_line) text += '\n' + std::string(indent, ' ');
  text += object ? '}' : ']';
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

constexpr std::size_t kMaximumDepth = 64;

// Builds the value from the parser's events. The library's own builder keeps the last of duplicate
// keys, and searches an ordered object from its start for each key it adds.
class JsonBuilder : public nlohmann::json_sax<Json> {
 public:
  explicit JsonBuilder(const std::string& where) : where_(where) {}
  Json take() { return std::move(root_); }

  bool null() override { return add(nullptr); }
  bool boolean(bool value) override { return add(value); }
  bool number_integer(number_integer_t value) override { return add(value); }
  bool number_unsigned(number_unsigned_t value) override { return add(value); }
  bool number_float(number_float_t value, const string_t& /*text*/) override { return add(value); }
  bool string(string_t& value) override { return add(std::move(value)); }
  bool binary(binary_t& /*value*/) override { return false; }

  bool start_object(std::size_t /*size*/) override { return open(Json::object()); }
  bool key(string_t& name) override {
    if (!open_.back().keys.insert(name).second) {
      throw Error(ErrorKind::kBadInput,
          where_ + ": the key \"" + printable(name) + "\" occurs twice in one object");
    }
    open_.back().key = std::move(name);
    return true;
  }
  bool end_object() override { return close(); }
  bool start_array(std::size_t /*size*/) override { return open(Json::array()); }
  bool end_array() override { return close(); }

  bool parse_error(std::size_t /*position*/, const std::string& /*token*/,
      const nlohmann::detail::exception& error) override {
    std::string reason =
        error.what();  // "[json.exception.parse_error.101] parse error at line 1, …"
    const auto id_end = reason.find("] ");
    if (id_end != std::string::npos) reason.erase(0, id_end + 2);
    throw Error(ErrorKind::kBadInput, where_ + ": not valid JSON: " + printable(reason, 400));
  }

 private:
  struct Level {
    Json* value;
    std::string key;
    std::unordered_set<std::string> keys;
  };

  // Puts the value where it belongs. Addresses stay valid: a parent grows only after its child is
  // closed.
  Json* place(Json value) {
    if (open_.empty()) {
      root_ = std::move(value);
      return &root_;
    }
    Level& level = open_.back();
    if (level.value->is_array()) {
      level.value->push_back(std::move(value));
      return &level.value->back();
    }
    auto& object = level.value->get_ref<Json::object_t&>();
    object.Json::object_t::Container::emplace_back(std::move(level.key), std::move(value));
    return &object.back().second;
  }

  bool add(Json value) {
    place(std::move(value));
    return true;
  }

  bool open(Json value) {
    if (open_.size() == kMaximumDepth) {
      throw Error(ErrorKind::kBadInput, where_ + ": arrays and objects are nested deeper than " +
                                            std::to_string(kMaximumDepth) + " levels");
    }
    open_.push_back({place(std::move(value)), {}, {}});
    return true;
  }

  bool close() {
    open_.pop_back();
    return true;
  }

  const std::string& where_;
  Json root_;
  std::vector<Level> open_;
};

}  // namespace

Json parse_json(const std::string& text, const std::string& where) {
  JsonBuilder builder(where);
  Json::sax_parse(text, &builder);
  return builder.take();
}

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
