// What does a GGUF file hold? Its metadata and its tensors' places, with every length, count,
// offset and type checked against the file's size before it is believed. Format:
// https://github.com/ggml-org/ggml/blob/master/docs/gguf.md, versions 2 and 3, little endian.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "convert/gguf/dequantize.h"
#include "core/files.h"

namespace salf::convert {

struct GgufArray;

// Unsigned and signed integers of all widths, both float widths, bool, string, array.
using GgufValue = std::variant<std::uint64_t, std::int64_t, double, bool, std::string, GgufArray>;

// All elements have one type. Arrays of arrays nest at most four levels deep.
struct GgufArray {
  std::variant<std::vector<std::uint64_t>, std::vector<std::int64_t>, std::vector<double>,
      std::vector<bool>, std::vector<std::string>, std::vector<GgufArray>>
      values;
};

// A tensor whose bytes lie inside the file.
struct GgufTensor {
  std::string name;
  std::vector<std::int64_t> shape;  // row-major: [rows, columns], the reverse of the file's order
  TensorType type = TensorType::kF32;
  std::int64_t elements = 0;
  std::uint64_t offset = 0;  // in bytes, from the start of the file
  std::uint64_t bytes = 0;
};

// A mapped GGUF file. Looking up a key or a tensor that is there in another type than asked for is
// an Error(kBadModel) that names the file, the key, what was expected and what was found.
class GgufFile {
 public:
  // Throws Error(kIo) when the file is missing or unreadable, and Error(kBadModel) with file, byte
  // offset, expected and found when it is malformed, truncated, or has a tensor of a type that is
  // not supported.
  explicit GgufFile(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return path_; }
  std::uint32_t version() const { return version_; }
  const std::map<std::string, GgufValue>& metadata() const { return metadata_; }
  const std::vector<GgufTensor>& tensors() const { return tensors_; }  // in the file's order

  // Metadata by key; nothing when the key is absent.
  std::optional<std::int64_t> integer(const std::string& key) const;  // of any width that fits
  std::optional<double> number(const std::string& key) const;         // float or integer
  std::optional<bool> boolean(const std::string& key) const;
  std::optional<std::string> text(const std::string& key) const;
  std::optional<std::vector<std::string>> texts(const std::string& key) const;
  std::optional<std::vector<std::int64_t>> integers(const std::string& key) const;
  std::optional<std::vector<double>> numbers(
      const std::string& key) const;  // floats of either width

  // nullptr when there is no tensor of that name.
  const GgufTensor* find(const std::string& name) const;
  // The encoded bytes of a tensor of this file: tensor.bytes of them.
  const std::uint8_t* data(const GgufTensor& tensor) const { return file_.data() + tensor.offset; }
  // Gives the tensor's pages back to the system; they return from the file when they are read
  // again.
  void release(const GgufTensor& tensor) const { file_.release(tensor.offset, tensor.bytes); }

 private:
  std::filesystem::path path_;
  core::MappedFile file_;
  std::uint32_t version_ = 0;
  std::map<std::string, GgufValue> metadata_;
  std::vector<GgufTensor> tensors_;
  std::map<std::string, std::size_t> tensor_index_;
};

}  // namespace salf::convert
