// Where do the bytes of a data file come from? A file or standard input, gzip or not: one stream,
// read once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "core/hash.h"

namespace salf::data {

// The path that stands for standard input.
inline constexpr const char* kStandardInput = "-";

// Bytes as they lie in the file; counted and hashed on the way. At the end of a stream that was
// read to its end, hash() is that of the file.
class RawFile {
 public:
  // Throws Error(kIo): no such file, no regular file, not readable; standard input that is a
  // terminal.
  explicit RawFile(const std::filesystem::path& path);
  ~RawFile();
  RawFile(const RawFile&) = delete;
  RawFile& operator=(const RawFile&) = delete;

  // At most `size` bytes; 0 at the end. Throws Error(kIo).
  std::size_t read(char* into, std::size_t size);
  const std::string& name() const { return name_; }  // printable; "standard input"
  std::int64_t size() const { return size_; }        // bytes; 0: unknown
  std::int64_t bytes_read() const { return bytes_read_; }
  // Reads what is left, and ends the hashing: SHA-256 in hex.
  std::string hash();

 private:
  std::string name_;
  int descriptor_ = -1;
  std::int64_t size_ = 0;
  std::int64_t bytes_read_ = 0;
  core::Sha256 hash_;
};

// What is in the file: gzip (RFC 1952, told by its first bytes, whatever the name; several members
// one after another too) is expanded, anything else stays as it is.
//
// A gzip file may expand to 64 MiB, and beyond that to 200 times its own size: text does not
// compress better, so more is a decompression bomb.
class DataFile {
 public:
  explicit DataFile(const std::filesystem::path& path);
  ~DataFile();
  DataFile(const DataFile&) = delete;
  DataFile& operator=(const DataFile&) = delete;

  // At most `size` bytes; 0 at the end. Throws Error(kIo): reading fails; gzip that is damaged, cut
  // off, followed by something else or a bomb, with the byte of the file.
  std::size_t read(char* into, std::size_t size);
  bool is_gzip() const { return gzip_ != nullptr; }
  const std::string& name() const { return raw_.name(); }
  std::int64_t size() const { return raw_.size(); }
  std::int64_t bytes_read() const { return raw_.bytes_read(); }  // of the file, not of its content
  std::string hash() { return raw_.hash(); }

 private:
  class Gzip;
  RawFile raw_;
  std::string begin_;           // the first bytes, until they were handed on
  std::unique_ptr<Gzip> gzip_;  // null: not gzip
};

}  // namespace salf::data
