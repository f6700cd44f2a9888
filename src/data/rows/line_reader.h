// How does a data file become lines, whatever their ends, and where is each of them?
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "data/rows/data_file.h"

namespace salf::data {

// What is wrong with the bytes of `line`, or nothing: NUL or invalid UTF-8 ("byte 17 of the line …"
// counts from 1).
std::optional<std::string> byte_problem(std::string_view line);

// True for a line of white space alone.
bool is_blank(std::string_view line);

// Lines without their ends ("\n", "\r\n"), the byte order mark taken off. A line of more than 256
// MiB is an Error(kIo): it would be another kind of file, and fill the memory.
class LineReader {
 public:
  explicit LineReader(const std::filesystem::path& path) : file_(path) {}

  // False at the end. Throws as DataFile does.
  bool next(std::string& line);
  // The next line that is not blank, which next() will give; the blank ones before it are gone.
  // Null at the end.
  const std::string* peek();
  // Everything that next() has not given yet, with "\n" for the lines before it, so that a line's
  // number in it is its number in the file. Throws Error(kIo) beyond 1 GiB.
  std::string rest();

  std::int64_t number() const { return number_; }     // of the line that next() gave last, from 1
  bool ended_with_newline() const { return ended_; }  // that line
  std::string where() const { return file_.name() + ":" + std::to_string(number_); }
  DataFile& file() { return file_; }
  const DataFile& file() const { return file_; }

 private:
  bool read_line(std::string& line);
  bool refill();
  [[noreturn]] void throw_long_line() const;

  DataFile file_;
  std::string buffer_;
  std::size_t begin_ = 0;
  std::int64_t number_ = 0;
  bool ended_ = false;
  std::optional<std::string> peeked_;
};

}  // namespace salf::data
