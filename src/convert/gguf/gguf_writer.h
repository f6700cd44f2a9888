// Writing of GGUF files, version 3, little endian.
// Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
#pragma once

#include <functional>

#include "convert/gguf/gguf.h"

namespace salf::convert {

// Keys and values, in the file's order.
class GgufMetadata {
 public:
  void whole(const std::string& key, std::int64_t value);  // as uint32. REQUIRES: it is one
  void real(const std::string& key, double value);         // as float32
  void flag(const std::string& key, bool value);
  void text(const std::string& key, const std::string& value);
  void texts(const std::string& key, const std::vector<std::string>& values);
  void wholes(const std::string& key, const std::vector<std::int64_t>& values);  // as int32
  void reals(const std::string& key, const std::vector<double>& values);         // as float32

  std::uint64_t entries() const { return entries_; }
  const std::string& bytes() const { return bytes_; }

 private:
  void begin(const std::string& key, GgufValueType type);
  void begin_array(const std::string& key, GgufValueType type, std::size_t size);

  std::uint64_t entries_ = 0;
  std::string bytes_;
};

struct GgufTensorPlan {
  std::string name;
  std::vector<std::int64_t> shape;  // row-major
  TensorType type = TensorType::kF32;
  std::uint64_t bytes = 0;
};

// Writes atomically. Calls `make` once for each tensor's encoded bytes, in order, and frees them
// before the next call. Throws Error(kIo); Error(kInternal) for another number of bytes.
void write_gguf_file(const std::filesystem::path& path, const GgufMetadata& metadata,
    const std::vector<GgufTensorPlan>& plans,
    const std::function<std::vector<std::uint8_t>(const GgufTensorPlan&)>& make);

}  // namespace salf::convert
