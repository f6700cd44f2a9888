#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "core/json.h"
#include "core/log.h"

namespace salf::core {
namespace {

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

}  // namespace salf::core
