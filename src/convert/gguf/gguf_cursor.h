// How are bytes of an untrusted file read one after another, with the place named when they are
// wrong?
#pragma once

#include <cstdint>
#include <cstring>
#include <string>

#include "core/files.h"

namespace salf::convert {

// Reads little-endian values from a mapped file; every read is checked against the file's end.
// (The program is for x86-64: memory order is the file's order.)
class GgufCursor {
 public:
  GgufCursor(const core::MappedFile& file, std::string name)
      : data_(file.data()), size_(file.size()), name_(std::move(name)) {}

  std::uint64_t position() const { return position_; }
  std::uint64_t remaining() const { return size_ - position_; }

  // `what` is being read, for the error.
  template <class T>
  T read(const char* what) {
    need(sizeof(T), what);
    T value;
    std::memcpy(&value, data_ + position_, sizeof value);
    position_ += sizeof value;
    return value;
  }
  // A length in 64 bits, then so many bytes.
  std::string read_string(const char* what);
  // A count of things of at least `least_bytes` each; no larger than what is left of the file can
  // hold.
  std::uint64_t read_count(std::uint64_t least_bytes, const char* what);

  // Throws Error(kBadModel): "FILE: at byte N: WHAT: expected E, got G".
  [[noreturn]] void fail(std::uint64_t at, const std::string& what, const std::string& expected,
      const std::string& got) const;

 private:
  void need(std::uint64_t bytes, const char* what) const;

  const std::uint8_t* data_;
  std::uint64_t size_;
  std::uint64_t position_ = 0;
  std::string name_;
};

}  // namespace salf::convert
