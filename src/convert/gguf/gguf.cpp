#include "convert/gguf/gguf.h"

#include <limits>

#include "core/error.h"
#include "core/log.h"

namespace salf::convert {
namespace {

const char* type_text(const GgufValue& value) {
  constexpr const char* kNames[] = {
      "a whole number", "a whole number", "a number", "true or false", "a text", "a list"};
  return kNames[value.index()];
}

[[noreturn]] void wrong_type(const GgufFile& file, const std::string& key,
    const std::string& expected, const std::string& got) {
  file.refuse("metadata '" + core::printable(key) + "': expected " + expected + ", got " + got);
}

const GgufValue* lookup(const GgufFile& file, const std::string& key) {
  const auto found = file.metadata().find(key);
  return found == file.metadata().end() ? nullptr : &found->second;
}

std::int64_t to_signed(const GgufFile& file, const std::string& key, std::uint64_t value) {
  if (value > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
    wrong_type(file, key, "a whole number below 2^63", std::to_string(value));
  return static_cast<std::int64_t>(value);
}

// nullptr when the key is absent.
template <class T>
const T* exactly(const GgufFile& file, const std::string& key, const char* expected) {
  const GgufValue* value = lookup(file, key);
  if (value == nullptr) return nullptr;
  if (const T* typed = std::get_if<T>(value)) return typed;
  wrong_type(file, key, expected, type_text(*value));
}

template <class T>
std::optional<T> copy_of(const T* value) {
  return value == nullptr ? std::nullopt : std::optional<T>(*value);
}

template <class T>
std::optional<std::vector<T>> list(
    const GgufFile& file, const std::string& key, const char* expected) {
  const auto* array = exactly<GgufArray>(file, key, expected);
  if (array == nullptr) return std::nullopt;
  if (const auto* values = std::get_if<std::vector<T>>(&array->values)) return *values;
  if constexpr (std::is_same_v<T, std::int64_t>) {
    if (const auto* values = std::get_if<std::vector<std::uint64_t>>(&array->values)) {
      std::vector<T> result;
      result.reserve(values->size());
      for (const std::uint64_t value : *values) result.push_back(to_signed(file, key, value));
      return result;
    }
  }
  wrong_type(file, key, expected, "a list of something else");
}

}  // namespace

GgufFile::GgufFile(const std::filesystem::path& path)
    : path_(path), file_(path), content_(parse_gguf(file_, path.string())) {
  for (std::size_t i = 0; i < tensors().size(); ++i) tensor_index_.emplace(tensors()[i].name, i);
}

void GgufFile::refuse(const std::string& message) const {
  throw Error(ErrorKind::kBadModel, path_.string() + ": " + message);
}

std::optional<std::int64_t> GgufFile::integer(const std::string& key) const {
  const GgufValue* value = lookup(*this, key);
  if (value == nullptr) return std::nullopt;
  if (const auto* number = std::get_if<std::int64_t>(value)) return *number;
  if (const auto* number = std::get_if<std::uint64_t>(value)) return to_signed(*this, key, *number);
  wrong_type(*this, key, "a whole number", type_text(*value));
}

std::optional<double> GgufFile::number(const std::string& key) const {
  const GgufValue* value = lookup(*this, key);
  if (value == nullptr) return std::nullopt;
  if (const auto* real = std::get_if<double>(value)) return *real;
  if (const auto* whole = std::get_if<std::int64_t>(value)) return static_cast<double>(*whole);
  if (const auto* whole = std::get_if<std::uint64_t>(value)) return static_cast<double>(*whole);
  wrong_type(*this, key, "a number", type_text(*value));
}

std::optional<bool> GgufFile::boolean(const std::string& key) const {
  return copy_of(exactly<bool>(*this, key, "true or false"));
}

std::optional<std::string> GgufFile::text(const std::string& key) const {
  return copy_of(exactly<std::string>(*this, key, "a text"));
}

std::optional<std::vector<std::string>> GgufFile::texts(const std::string& key) const {
  return list<std::string>(*this, key, "a list of texts");
}

std::optional<std::vector<std::int64_t>> GgufFile::integers(const std::string& key) const {
  return list<std::int64_t>(*this, key, "a list of whole numbers");
}

std::optional<std::vector<double>> GgufFile::numbers(const std::string& key) const {
  return list<double>(*this, key, "a list of numbers");
}

const GgufTensor* GgufFile::find(const std::string& name) const {
  const auto found = tensor_index_.find(name);
  return found == tensor_index_.end() ? nullptr : &tensors()[found->second];
}

}  // namespace salf::convert
