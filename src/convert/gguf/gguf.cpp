#include "convert/gguf/gguf.h"

#include <limits>

#include "convert/gguf/gguf_parser.h"
#include "core/error.h"
#include "core/log.h"

namespace salf::convert {
namespace {

const char* type_text(const GgufValue& value) {
  constexpr const char* kNames[] = {
      "a whole number", "a whole number", "a number", "true or false", "a text", "a list"};
  return kNames[value.index()];
}

[[noreturn]] void wrong_type(
    const GgufFile& file, const std::string& key, const char* expected, const std::string& got) {
  throw Error(ErrorKind::kBadModel, file.path().string() + ": metadata '" + core::printable(key) +
                                        "': expected " + expected + ", got " + got);
}

const GgufValue* lookup(const GgufFile& file, const std::string& key) {
  const auto found = file.metadata().find(key);
  return found == file.metadata().end() ? nullptr : &found->second;
}

std::int64_t to_signed(const GgufFile& file, const std::string& key, std::uint64_t value) {
  if (value > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
    wrong_type(file, key, "a whole number below 2^63", std::to_string(value));
  }
  return static_cast<std::int64_t>(value);
}

template <class T>
std::optional<T> exactly(const GgufFile& file, const std::string& key, const char* expected) {
  const GgufValue* value = lookup(file, key);
  if (value == nullptr) return std::nullopt;
  if (const T* typed = std::get_if<T>(value)) return *typed;
  wrong_type(file, key, expected, type_text(*value));
}

}  // namespace

GgufFile::GgufFile(const std::filesystem::path& path) : path_(path), file_(path) {
  GgufContent content = parse_gguf(file_, path.string());
  version_ = content.version;
  metadata_ = std::move(content.metadata);
  tensors_ = std::move(content.tensors);
  for (std::size_t i = 0; i < tensors_.size(); ++i) tensor_index_.emplace(tensors_[i].name, i);
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
  return exactly<bool>(*this, key, "true or false");
}

std::optional<std::string> GgufFile::text(const std::string& key) const {
  return exactly<std::string>(*this, key, "a text");
}

std::optional<std::vector<std::string>> GgufFile::texts(const std::string& key) const {
  const auto array = exactly<GgufArray>(*this, key, "a list of texts");
  if (!array) return std::nullopt;
  if (const auto* values = std::get_if<std::vector<std::string>>(&array->values)) return *values;
  wrong_type(*this, key, "a list of texts", "a list of something else");
}

std::optional<std::vector<std::int64_t>> GgufFile::integers(const std::string& key) const {
  const auto array = exactly<GgufArray>(*this, key, "a list of whole numbers");
  if (!array) return std::nullopt;
  if (const auto* values = std::get_if<std::vector<std::int64_t>>(&array->values)) return *values;
  const auto* values = std::get_if<std::vector<std::uint64_t>>(&array->values);
  if (values == nullptr)
    wrong_type(*this, key, "a list of whole numbers", "a list of something else");
  std::vector<std::int64_t> result;
  result.reserve(values->size());
  for (const std::uint64_t value : *values) result.push_back(to_signed(*this, key, value));
  return result;
}

std::optional<std::vector<double>> GgufFile::numbers(const std::string& key) const {
  const auto array = exactly<GgufArray>(*this, key, "a list of numbers");
  if (!array) return std::nullopt;
  if (const auto* values = std::get_if<std::vector<double>>(&array->values)) return *values;
  wrong_type(*this, key, "a list of numbers", "a list of something else");
}

const GgufTensor* GgufFile::find(const std::string& name) const {
  const auto found = tensor_index_.find(name);
  return found == tensor_index_.end() ? nullptr : &tensors_[found->second];
}

}  // namespace salf::convert
