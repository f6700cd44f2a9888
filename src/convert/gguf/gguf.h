// The metadata and tensor places of a GGUF file. Every length, count, offset and type is checked
// against the file's size first. Format, versions 2 and 3, little endian:
// https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
#pragma once

#include <cstdint>
#include <deque>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "convert/gguf/dequantize.h"
#include "convert/output.h"
#include "core/files.h"
#include "core/json.h"

namespace salf::convert {

// Of metadata. The values are GGUF's.
enum class GgufValueType : std::uint32_t {
  kUint8,
  kInt8,
  kUint16,
  kInt16,
  kUint32,
  kInt32,
  kFloat32,
  kBool,
  kString,
  kArray,
  kUint64,
  kInt64,
  kFloat64
};

// A tensor whose bytes lie inside the file.
struct GgufTensor {
  std::string name;
  std::vector<std::int64_t> shape;  // row-major: [rows, columns], the reverse of the file's order
  TensorType type = TensorType::kF32;
  std::int64_t elements = 0;
  std::uint64_t offset = 0;  // in bytes, from the start of its file
  std::uint64_t bytes = 0;
  std::size_t part = 0;  // which of a model's files has it
};

struct GgufContent {
  std::map<std::string, core::Json> metadata;  // arrays nest at most four levels deep
  std::vector<GgufTensor> tensors;             // in the file's order
};

// A mapped GGUF file, or all files of a model that was split (NAME-00001-of-00003.gguf, …).
class GgufFile {
 public:
  // `path`: the first of them, which has the metadata.
  // Throws Error(kIo) when the file is missing or unreadable, and Error(kBadModel) with the byte
  // offset, expected and found value when it is malformed, truncated, or has a tensor of a type
  // that is not supported.
  explicit GgufFile(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return paths_.front(); }
  const std::vector<std::filesystem::path>& paths() const { return paths_; }
  const std::map<std::string, core::Json>& metadata() const { return content_.metadata; }
  const std::vector<GgufTensor>& tensors() const { return content_.tensors; }

  // Metadata by key. Nothing when the key is absent. Each throws Error(kBadModel) with the file,
  // key, expected and found value for a value of another type.
  std::optional<std::int64_t> integer(const std::string& key) const {
    return get<std::int64_t>(key);
  }
  std::optional<double> number(const std::string& key) const { return get<double>(key); }
  std::optional<bool> boolean(const std::string& key) const { return get<bool>(key); }
  std::optional<std::string> text(const std::string& key) const { return get<std::string>(key); }
  // An empty list when the key is absent.
  template <class T> std::vector<T> list(const std::string& key) const {
    return get<std::vector<T>>(key).value_or(std::vector<T>());
  }

  // nullptr when there is no tensor of that name.
  const GgufTensor* find(const std::string& name) const;
  // The encoded bytes of a tensor of this file: tensor.bytes of them.
  const std::uint8_t* data(const GgufTensor& tensor) const {
    return files_[tensor.part].data() + tensor.offset;
  }
  // Gives the tensor's pages back to the system. Later reads fetch them from the file.
  void release(const GgufTensor& tensor) const {
    files_[tensor.part].release(tensor.offset, tensor.bytes);
  }

  // Throws Error(kBadModel) "FILE: MESSAGE".
  [[noreturn]] void refuse(const std::string& message) const { refuse_model(path(), message); }

 private:
  template <class T> std::optional<T> get(const std::string& key) const {
    const auto found = metadata().find(key);
    if (found == metadata().end()) return std::nullopt;
    T value{};
    read_model_part([&] {
      core::from_json(found->second, path().string() + ": metadata '" + key + "'", value);
    });
    return value;
  }

  GgufContent open(const std::filesystem::path& path);
  void open_parts();

  std::vector<std::filesystem::path> paths_;
  std::deque<core::MappedFile> files_;
  GgufContent content_;
  std::map<std::string, std::size_t> tensor_index_;
};

}  // namespace salf::convert
