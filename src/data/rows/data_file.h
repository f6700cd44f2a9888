// The bytes of a data file or standard input, gzip or not, as one stream that is read once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "core/hash.h"

namespace salf::data {

// The path of standard input.
inline constexpr const char* kStandardInput = "-";

// The bytes of the file as they are, counted and hashed.
class RawFile {
 public:
  // Throws Error(kIo) for a file that is missing, not regular or not readable, and for a terminal
  // as standard input.
  explicit RawFile(const std::filesystem::path& path);
  ~RawFile();
  RawFile(const RawFile&) = delete;
  RawFile& operator=(const RawFile&) = delete;

  // At most `size` bytes; 0 at the end. Throws Error(kIo).
  std::size_t read(char* into, std::size_t size);
  const std::string& name() const { return name_; }  // printable; "standard input"
  std::int64_t size() const { return size_; }        // bytes; 0: unknown
  std::int64_t bytes_read() const { return bytes_read_; }
  // Reads the rest and returns the SHA-256 of all bytes, in hex.
  std::string hash();

 private:
  std::string name_;
  int descriptor_ = -1;
  std::int64_t size_ = 0;
  std::int64_t bytes_read_ = 0;
  core::Sha256 hash_;
};

// The content of the file. Gzip (RFC 1952, known by its first bytes, also of several members) is
// expanded; anything else stays as it is. A gzip file may expand to 64 MiB, and beyond that to 200
// times its own size: text does not compress better, so more is a decompression bomb.
class DataFile {
 public:
  explicit DataFile(const std::filesystem::path& path);
  ~DataFile();
  DataFile(const DataFile&) = delete;
  DataFile& operator=(const DataFile&) = delete;

  // At most `size` bytes; 0 at the end. Throws Error(kIo) if reading fails or the gzip is damaged,
  // cut off, followed by something else or a bomb; the message names the byte of the file.
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
