// The lines of a data file, with their numbers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "data/rows/data_file.h"

namespace salf::data {

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
