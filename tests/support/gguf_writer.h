// GGUF files made in the test, right or deliberately wrong.
#pragma once

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace salf::support {

// Bytes in the file's order; a test may also put wrong ones.
class GgufBytes {
 public:
  template <class T> GgufBytes& put(T value) {
    const std::size_t at = bytes_.size();
    bytes_.resize(at + sizeof value);
    std::memcpy(&bytes_[at], &value, sizeof value);
    return *this;
  }
  GgufBytes& text(const std::string& value) {
    put<std::uint64_t>(value.size());
    bytes_ += value;
    return *this;
  }
  GgufBytes& raw(const std::string& value) {
    bytes_ += value;
    return *this;
  }
  void align(std::size_t alignment) {
    bytes_.resize((bytes_.size() + alignment - 1) / alignment * alignment);
  }
  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

// Collects metadata and tensors, then gives a correct file.
class GgufWriter {
 public:
  void number(const std::string& key, std::uint32_t value) { entry(key, 4).put(value); }
  void real(const std::string& key, float value) { entry(key, 6).put(value); }
  void text(const std::string& key, const std::string& value) { entry(key, 8).text(value); }
  void texts(const std::string& key, const std::vector<std::string>& values) {
    GgufBytes& to = entry(key, 9).put<std::uint32_t>(8).put<std::uint64_t>(values.size());
    for (const std::string& value : values) to.text(value);
  }
  void integers(const std::string& key, const std::vector<std::int32_t>& values) {
    GgufBytes& to = entry(key, 9).put<std::uint32_t>(5).put<std::uint64_t>(values.size());
    for (const std::int32_t value : values) to.put(value);
  }
  // A metadata entry of any type code, its value to be put by the caller.
  GgufBytes& entry(const std::string& key, std::uint32_t type) {
    ++entries_;
    return metadata_.text(key).put(type);
  }
  // shape is row-major; `data` are the encoded bytes.
  void tensor(const std::string& name, const std::vector<std::int64_t>& shape, std::uint32_t type,
      const std::string& data) {
    ++tensors_;
    infos_.text(name).put(static_cast<std::uint32_t>(shape.size()));
    for (auto size = shape.rbegin(); size != shape.rend(); ++size)
      infos_.put(static_cast<std::uint64_t>(*size));
    infos_.put(type).put(static_cast<std::uint64_t>(data_.bytes().size()));
    data_.raw(data).align(32);
  }
  std::string bytes(std::uint32_t version = 3) const {
    GgufBytes file;
    file.raw("GGUF")
        .put(version)
        .put(tensors_)
        .put(entries_)
        .raw(metadata_.bytes())
        .raw(infos_.bytes());
    file.align(32);
    return file.raw(data_.bytes()).bytes();
  }

 private:
  std::uint64_t tensors_ = 0;
  std::uint64_t entries_ = 0;
  GgufBytes metadata_, infos_, data_;
};

// Writes a file of the test; gives its path.
inline std::filesystem::path write_bytes(
    const std::filesystem::path& path, const std::string& bytes) {
  std::filesystem::remove(path);  // ext4 would sync a file that is truncated and written again
  std::ofstream(path, std::ios::binary) << bytes;
  return path;
}

}  // namespace salf::support
