#include "row_file.h"

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <fstream>
#include <string_view>
#include <system_error>
#include <utility>

#include "salf/core/error.h"
#include "salf/core/files.h"
#include "salf/core/log.h"
#include "salf/core/text.h"

namespace salf::data {
namespace {

namespace fs = std::filesystem;

// A line of JSONL is one document: longer ones are another kind of file, and would fill the memory.
constexpr std::size_t kLongestLine = std::size_t{256} << 20U;
constexpr std::size_t kReadSize = std::size_t{1} << 16U;
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
constexpr std::string_view kBlank = " \t\r\n\v\f";

enum class RowFormat { kJsonLines, kJsonArray, kParagraphs };

std::string shown_path(const fs::path& path) { return core::printable(path.string(), 4096); }

bool is_blank(std::string_view line) {
  return line.find_first_not_of(kBlank) == std::string_view::npos;
}

std::ifstream open_data_file(const fs::path& path) {
  std::error_code failure;
  const fs::file_status status = fs::status(path, failure);
  if (status.type() == fs::file_type::not_found || status.type() == fs::file_type::none) {
    throw Error(ErrorKind::kIo, "cannot read the data file " + shown_path(path) + ": " +
                                    (failure ? failure.message() : "no such file"));
  }
  if (!fs::is_regular_file(status)) {
    throw Error(ErrorKind::kIo, shown_path(path) + ": expected a data file, got " +
                                    (fs::is_directory(status) ? "a folder" : "no regular file"));
  }
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    throw Error(ErrorKind::kIo, "cannot read the data file " + shown_path(path) + ": " +
                                    std::generic_category().message(errno));
  }
  return file;
}

// What is wrong with the bytes of `line`, or nothing: "byte 17 of the line …" counts from 1.
std::optional<std::string> byte_problem(std::string_view line) {
  const std::size_t nul = line.find('\0');
  if (nul != std::string_view::npos) {
    return "byte " + std::to_string(nul + 1) + " of the line is NUL: expected text";
  }
  const auto invalid = core::invalid_utf8(line);
  if (!invalid) return std::nullopt;
  return "byte " + std::to_string(*invalid + 1) +
         " of the line is not valid UTF-8: expected UTF-8 text; " +
         "convert the file (iconv -f LATIN1 -t UTF-8)";
}

// Lines without their ends, the byte order mark taken off.
class LineReader {
 public:
  explicit LineReader(const fs::path& path) : path_(path), file_(open_data_file(path)) {}

  bool next(std::string& line) {
    line.clear();
    ended_ = false;
    bool any = false;
    while (!ended_) {
      if (begin_ == buffer_.size() && !refill()) break;
      any = true;
      const std::size_t end = std::min(buffer_.find('\n', begin_), buffer_.size());
      line.append(buffer_, begin_, end - begin_);
      ended_ = end < buffer_.size();
      begin_ = end + (ended_ ? 1 : 0);
      if (line.size() > kLongestLine) throw_long_line();
    }
    if (!any) return false;
    if (++number_ == 1 && line.compare(0, kByteOrderMark.size(), kByteOrderMark) == 0) {
      line.erase(0, kByteOrderMark.size());
    }
    if (!line.empty() && line.back() == '\r') line.pop_back();
    return true;
  }

  std::int64_t number() const { return number_; }     // of the line that was read last, from 1
  bool ended_with_newline() const { return ended_; }  // that line
  std::int64_t bytes_read() const { return bytes_read_; }
  std::string where() const { return shown_path(path_) + ":" + std::to_string(number_); }

 private:
  bool refill() {
    buffer_.resize(kReadSize);
    file_.read(buffer_.data(), static_cast<std::streamsize>(kReadSize));
    if (file_.bad()) throw Error(ErrorKind::kIo, "cannot read on in " + shown_path(path_));
    buffer_.resize(static_cast<std::size_t>(file_.gcount()));
    bytes_read_ += file_.gcount();
    begin_ = 0;
    return !buffer_.empty();
  }

  [[noreturn]] void throw_long_line() const {
    throw Error(ErrorKind::kIo, shown_path(path_) + ":" + std::to_string(number_ + 1) +
                                    ": the line is longer than " +
                                    core::format_bytes(kLongestLine) +
                                    "; is this a file of JSON lines or text?");
  }

  fs::path path_;
  std::ifstream file_;
  std::string buffer_;
  std::size_t begin_ = 0;
  std::int64_t number_ = 0;
  std::int64_t bytes_read_ = 0;
  bool ended_ = false;
};

class JsonLines : public RowFile {
 public:
  explicit JsonLines(const fs::path& path) : reader_(path) {}

  std::optional<FileRow> next() override {
    do {
      if (!reader_.next(line_)) return std::nullopt;
    } while (is_blank(line_));
    const std::string where = reader_.where();
    if (const auto problem = byte_problem(line_))
      throw Error(ErrorKind::kBadInput, where + ": " + *problem);
    return FileRow{parse_row(parse(where), where), reader_.number(), where};
  }

  std::int64_t bytes_read() const override { return reader_.bytes_read(); }

 private:
  core::Json parse(const std::string& where) const {
    try {
      return core::parse_json(line_, where);
    } catch (const Error& error) {
      const char* advice =
          reader_.ended_with_newline()
              ? "; expected one object a line, or one array in the whole file"
              : "; the file ends within this line: was it cut off while it was copied?";
      throw Error(error.kind(), error.what() + std::string(advice));
    }
  }

  LineReader reader_;
  std::string line_;
};

// Documents are paragraphs, divided by blank lines.
class Paragraphs : public RowFile {
 public:
  explicit Paragraphs(const fs::path& path) : reader_(path) {}

  std::optional<FileRow> next() override {
    FileRow row;
    std::string problem;
    std::string& text = row.text.completion;
    while (reader_.next(line_)) {
      if (is_blank(line_)) {
        if (row.line > 0) break;
        continue;
      }
      if (row.line > 0) text += '\n';
      text += line_;
      if (row.line == 0) {
        row.line = reader_.number();
        row.where = reader_.where();
      }
      const auto found = byte_problem(line_);
      if (found && problem.empty()) problem = reader_.where() + ": " + *found;
    }
    if (!problem.empty()) throw Error(ErrorKind::kBadInput, problem);
    if (row.line == 0) return std::nullopt;
    return row;
  }

  std::int64_t bytes_read() const override { return reader_.bytes_read(); }

 private:
  LineReader reader_;
  std::string line_;
};

class JsonArray : public RowFile {
 public:
  explicit JsonArray(const fs::path& path) : path_(path) {
    std::string text = core::read_file(path);
    size_ = static_cast<std::int64_t>(text.size());
    if (text.compare(0, kByteOrderMark.size(), kByteOrderMark) == 0)
      text.erase(0, kByteOrderMark.size());
    check_bytes(text);
    rows_ = core::parse_json(text, shown_path(path));
  }

  std::optional<FileRow> next() override {
    if (index_ == rows_.size()) return std::nullopt;
    const core::Json json = std::move(rows_[index_++]);
    const auto number = static_cast<std::int64_t>(index_);
    const std::string where = shown_path(path_) + ", row " + std::to_string(number);
    return FileRow{parse_row(json, where), number, where};
  }

  std::int64_t bytes_read() const override {
    if (rows_.empty()) return size_;
    return static_cast<std::int64_t>(static_cast<double>(size_) * static_cast<double>(index_) /
                                     static_cast<double>(rows_.size()));
  }

 private:
  void check_bytes(std::string_view text) const {
    std::int64_t number = 0;
    while (!text.empty()) {
      const std::size_t end = std::min(text.find('\n'), text.size() - 1);
      ++number;
      if (const auto problem = byte_problem(text.substr(0, end + 1))) {
        throw Error(ErrorKind::kBadInput,
                    shown_path(path_) + ":" + std::to_string(number) + ": " + *problem);
      }
      text.remove_prefix(end + 1);
    }
  }

  fs::path path_;
  core::Json rows_;
  std::size_t index_ = 0;
  std::int64_t size_ = 0;
};

// The first character that is not white space, or '\0' if there is none.
char first_character(const fs::path& path) {
  LineReader reader(path);
  std::string line;
  while (reader.next(line)) {
    const std::size_t first = line.find_first_not_of(kBlank);
    if (first != std::string::npos) return line[first];
  }
  return '\0';
}

RowFormat find_format(const fs::path& path) {
  std::string extension = path.extension().string();
  std::transform(extension.begin(), extension.end(), extension.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  const char first = first_character(path);
  if (extension == ".txt" || extension == ".text" || extension == ".md")
    return RowFormat::kParagraphs;
  if (first == '[') return RowFormat::kJsonArray;
  if (first == '{' || extension == ".jsonl" || extension == ".ndjson") return RowFormat::kJsonLines;
  if (extension != ".json" || first == '\0') return RowFormat::kParagraphs;
  throw Error(ErrorKind::kBadInput, shown_path(path) +
                                        ": expected JSON that begins with [ or {, got \"" +
                                        core::printable(std::string(1, first)) +
                                        "\"; a plain text file should be named .txt");
}

}  // namespace

std::unique_ptr<RowFile> open_row_file(const fs::path& path) {
  switch (find_format(path)) {
    case RowFormat::kJsonLines:
      return std::make_unique<JsonLines>(path);
    case RowFormat::kJsonArray:
      return std::make_unique<JsonArray>(path);
    case RowFormat::kParagraphs:
      break;
  }
  return std::make_unique<Paragraphs>(path);
}

}  // namespace salf::data
