// The content of a data file or standard input, gzip or not, as one stream that is read once, and
// its lines.
#pragma once

#include <optional>

#include "core/hash.h"

namespace salf::data {

// Gzip (RFC 1952, known by its first bytes, also of several members) is expanded; anything else
// stays as it is. A gzip file may expand to 64 MiB, and beyond that to 200 times its own size: text
// does not compress better, so more is a decompression bomb.
class DataFile {
 public:
  // "-" is standard input. Throws Error(kIo) for a file that is missing, not regular or not
  // readable, and for a terminal as standard input.
  explicit DataFile(const std::filesystem::path& path);
  ~DataFile();
  DataFile(const DataFile&) = delete;
  DataFile& operator=(const DataFile&) = delete;

  // At most `size` bytes of the content; 0 at the end. Throws Error(kIo) if reading fails or the
  // gzip is damaged, cut off, followed by something else or a bomb; the message names the byte of
  // the file.
  std::size_t read(char* into, std::size_t size);
  bool is_gzip() const { return gzip_ != nullptr; }
  // Up to 512 bytes from the begin of the file.
  const std::string& first_bytes() const { return first_bytes_; }
  const std::string& name() const { return name_; }        // printable; "standard input"
  std::int64_t size() const { return size_; }              // bytes of the file; 0: unknown
  std::int64_t bytes_read() const { return bytes_read_; }  // of the file, not of its content
  // Reads the rest of the file and returns the SHA-256 of all its bytes, in hex.
  std::string hash();

 private:
  class Gzip;
  DataFile() = default;
  void open(const std::filesystem::path& path);
  std::size_t read_raw(char* into, std::size_t size);  // the file's bytes, counted and hashed

  std::string name_;
  int descriptor_ = -1;
  std::int64_t size_ = 0;
  std::int64_t bytes_read_ = 0;
  core::Sha256 hash_;
  std::string first_bytes_;
  std::string begin_;           // the same, until they were handed on
  std::unique_ptr<Gzip> gzip_;  // null: not gzip
};

// The problem with the bytes of `line`, if any: NUL or invalid UTF-8 ("byte 17 of the line …", from
// 1).
std::optional<std::string> byte_problem(std::string_view line);

inline constexpr std::string_view kBlank = " \t\r\n\v\f";
// True for a line of white space only.
bool is_blank(std::string_view line);

// Gives lines without their ends ("\n", "\r\n") and without a byte order mark. Throws Error(kIo)
// for a line of more than 256 MiB: that is another kind of file, and would fill the memory.
class LineReader {
 public:
  explicit LineReader(const std::filesystem::path& path) : file_(path) {}

  // False at the end. Throws as DataFile does.
  bool next(std::string& line);
  // The next line that is not blank, which next() will give. Skips the blank ones before it. Null
  // at the end.
  const std::string* peek();
  // Everything that next() has not given yet, after a "\n" for each line before it: line numbers
  // are those of the file. Throws Error(kIo) beyond 1 GiB.
  std::string rest();

  std::int64_t number() const { return number_; }     // of next()'s last line, from 1
  bool ended_with_newline() const { return ended_; }  // that line
  std::string where() const { return file_.name() + ":" + std::to_string(number_); }
  DataFile& file() { return file_; }

 private:
  bool read_line(std::string& line);
  bool refill();

  DataFile file_;
  std::string buffer_;
  std::size_t begin_ = 0;
  std::int64_t number_ = 0;
  bool ended_ = false;
  std::optional<std::string> peeked_;
};

}  // namespace salf::data
