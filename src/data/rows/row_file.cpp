#include "data/rows/row_file.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <string_view>
#include <utility>

#include "core/error.h"
#include "core/json.h"
#include "core/log.h"
#include "data/rows/line_reader.h"

namespace salf::data {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kBlank = " \t\r\n\v\f";

enum class RowFormat { kJsonLines, kJsonValue, kParagraphs };

class JsonLines : public RowFile {
 public:
  explicit JsonLines(std::unique_ptr<LineReader> reader) : reader_(std::move(reader)) {}

  std::optional<FileRow> next() override {
    do {
      if (!reader_->next(line_)) return std::nullopt;
    } while (is_blank(line_));
    const std::string where = reader_->where();
    if (const auto problem = byte_problem(line_))
      throw Error(ErrorKind::kBadInput, where + ": " + *problem);
    return FileRow{parse_row(parse(where), where), reader_->number(), where};
  }

  DataFile& file() override { return reader_->file(); }
  std::int64_t bytes_read() const override { return reader_->file().bytes_read(); }

 private:
  core::Json parse(const std::string& where) const {
    try {
      return core::parse_json(line_, where);
    } catch (const Error& error) {
      const char* advice =
          reader_->ended_with_newline()
              ? "; expected one object a line, or one array in the whole file"
              : "; the file ends within this line: was it cut off while it was copied?";
      throw Error(error.kind(), error.what() + std::string(advice));
    }
  }

  std::unique_ptr<LineReader> reader_;
  std::string line_;
};

// Documents are paragraphs, divided by blank lines.
class Paragraphs : public RowFile {
 public:
  explicit Paragraphs(std::unique_ptr<LineReader> reader) : reader_(std::move(reader)) {}

  std::optional<FileRow> next() override {
    FileRow row;
    std::string problem;
    std::string& text = row.text.completion;
    while (reader_->next(line_)) {
      if (is_blank(line_)) {
        if (row.line > 0) break;
        continue;
      }
      if (row.line > 0) text += '\n';
      text += line_;
      if (row.line == 0) {
        row.line = reader_->number();
        row.where = reader_->where();
      }
      const auto found = byte_problem(line_);
      if (found && problem.empty()) problem = reader_->where() + ": " + *found;
    }
    if (!problem.empty()) throw Error(ErrorKind::kBadInput, problem);
    if (row.line == 0) return std::nullopt;
    return row;
  }

  DataFile& file() override { return reader_->file(); }
  std::int64_t bytes_read() const override { return reader_->file().bytes_read(); }

 private:
  std::unique_ptr<LineReader> reader_;
  std::string line_;
};

// The keys under which a JSON object holds its list of rows.
constexpr std::array<const char*, 4> kListKeys{"data", "train", "rows", "examples"};

// One JSON value: an array of rows, or an object with such an array.
class JsonValue : public RowFile {
 public:
  explicit JsonValue(std::unique_ptr<LineReader> reader)
      : reader_(std::move(reader)), name_(reader_->file().name()) {
    const std::string text = reader_->rest();
    check_bytes(text);
    core::Json json = core::parse_json(text, name_);
    rows_ = json.is_array() ? std::move(json) : std::move(list_in(json));
  }

  std::optional<FileRow> next() override {
    if (index_ == rows_.size()) return std::nullopt;
    const core::Json json = std::move(rows_[index_++]);
    const auto number = static_cast<std::int64_t>(index_);
    const std::string where = name_ + ", row " + std::to_string(number);
    return FileRow{parse_row(json, where), number, where};
  }

  DataFile& file() override { return reader_->file(); }
  std::int64_t bytes_read() const override {
    const auto size = static_cast<double>(reader_->file().bytes_read());
    if (rows_.empty()) return reader_->file().bytes_read();
    return static_cast<std::int64_t>(
        size * static_cast<double>(index_) / static_cast<double>(rows_.size()));
  }

 private:
  core::Json& list_in(core::Json& json) const {
    if (json.is_object()) {
      for (const char* key : kListKeys) {
        const auto list = json.find(key);
        if (list != json.end() && list->is_array()) return *list;
      }
    }
    throw Error(ErrorKind::kBadInput,
        name_ +
            ": expected an array of rows, an object with such an array under \"data\", \"train\", "
            "\"rows\" or \"examples\", or JSON lines (one row on each line)");
  }

  void check_bytes(std::string_view text) const {
    std::int64_t number = 0;
    while (!text.empty()) {
      const std::size_t end = std::min(text.find('\n'), text.size() - 1);
      ++number;
      if (const auto problem = byte_problem(text.substr(0, end + 1))) {
        throw Error(ErrorKind::kBadInput, name_ + ":" + std::to_string(number) + ": " + *problem);
      }
      text.remove_prefix(end + 1);
    }
  }

  std::unique_ptr<LineReader> reader_;
  std::string name_;
  core::Json rows_;
  std::size_t index_ = 0;
};

// ".json" of "Rows.JSON" and of "rows.json.gz".
std::string extension_of(fs::path path, bool is_gzip) {
  const auto lower = [](std::string text) {
    std::transform(text.begin(), text.end(), text.begin(),
        [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return text;
  };
  const std::string extension = lower(path.extension().string());
  if (!is_gzip || (extension != ".gz" && extension != ".gzip")) return extension;
  return lower(path.stem().extension().string());
}

// An object that is spread over lines, or holds a list of rows, is no row.
bool is_row_alone(const std::string& line) {
  try {
    const core::Json json = core::parse_json(line, "the first line");
    return std::none_of(kListKeys.begin(), kListKeys.end(), [&](const char* key) {
      const core::Json* const list = core::find_member(json, key);
      return list != nullptr && list->is_array();
    });
  } catch (const Error&) {
    return false;
  }
}

RowFormat find_format(LineReader& reader, const fs::path& path) {
  const std::string extension = extension_of(path, reader.file().is_gzip());
  const std::string* const line = reader.peek();
  if (extension == ".txt" || extension == ".text" || extension == ".md" || line == nullptr) {
    return RowFormat::kParagraphs;
  }
  const char first = (*line)[line->find_first_not_of(kBlank)];
  if (first == '[') return RowFormat::kJsonValue;
  if (extension == ".jsonl" || extension == ".ndjson") return RowFormat::kJsonLines;
  if (first == '{') return is_row_alone(*line) ? RowFormat::kJsonLines : RowFormat::kJsonValue;
  if (extension != ".json") return RowFormat::kParagraphs;
  throw Error(ErrorKind::kBadInput,
      reader.file().name() + ": expected JSON that begins with [ or {, got \"" +
          core::printable(std::string(1, first)) + "\"; a plain text file should be named .txt");
}

}  // namespace

std::unique_ptr<RowFile> open_row_file(const fs::path& path) {
  auto reader = std::make_unique<LineReader>(path);
  switch (find_format(*reader, path)) {
    case RowFormat::kJsonLines: return std::make_unique<JsonLines>(std::move(reader));
    case RowFormat::kJsonValue: return std::make_unique<JsonValue>(std::move(reader));
    case RowFormat::kParagraphs: break;
  }
  return std::make_unique<Paragraphs>(std::move(reader));
}

}  // namespace salf::data
