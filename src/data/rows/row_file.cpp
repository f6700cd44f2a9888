#include "data/rows/row_file.h"

#include <algorithm>

#include "core/file_kind.h"
#include "core/log.h"
#include "core/text.h"
#include "data/bad_input.h"
#include "data/rows/csv_rows.h"

namespace salf::data {
namespace {

namespace fs = std::filesystem;

class JsonLines : public RowFile {
 public:
  using RowFile::RowFile;

  std::optional<FileRow> next() override {
    do {
      if (!reader().next(line_)) return std::nullopt;
    } while (is_blank(line_));
    const std::string where = reader().where();
    if (const auto problem = byte_problem(line_)) refuse(where, *problem);
    return FileRow{parse_row(parse(where), where), reader().number(), where};
  }

 private:
  core::Json parse(const std::string& where) const {
    try {
      return core::parse_json(line_, where);
    } catch (const Error& error) {
      const char* advice =
          reader().ended_with_newline()
              ? "; expected one object a line, or one array in the whole file"
              : "; the file ends within this line: it may be cut off; copy it again";
      throw Error(error.kind(), error.what() + std::string(advice));
    }
  }

  std::string line_;
};

// Documents are paragraphs, divided by blank lines.
class Paragraphs : public RowFile {
 public:
  using RowFile::RowFile;

  std::optional<FileRow> next() override {
    FileRow row;
    std::string problem;
    std::string& text = row.text.completion;
    while (reader().next(line_)) {
      if (is_blank(line_)) {
        if (row.line > 0) break;
        continue;
      }
      if (row.line > 0) text += '\n';
      text += line_;
      if (row.line == 0) {
        row.line = reader().number();
        row.where = reader().where();
      }
      const auto found = byte_problem(line_);
      if (found && problem.empty()) problem = reader().where() + ": " + *found;
    }
    if (!problem.empty()) throw Error(ErrorKind::kBadInput, problem);
    if (row.line == 0) return std::nullopt;
    return row;
  }

 private:
  std::string line_;
};

// The list of rows that an object holds, or null.
core::Json* find_list(core::Json& json) {
  if (!json.is_object()) return nullptr;
  for (const char* key : {"data", "train", "rows", "examples"}) {
    const auto list = json.find(key);
    if (list != json.end() && list->is_array()) return &*list;
  }
  return nullptr;
}

// One JSON value: an array of rows, or an object with such an array.
class JsonValue : public RowFile {
 public:
  explicit JsonValue(std::unique_ptr<LineReader> lines)
      : RowFile(std::move(lines)), name_(file().name()) {
    const std::string text = reader().rest();
    check_bytes(text);
    core::Json json = core::parse_json(text, name_);
    core::Json* const list = json.is_array() ? &json : find_list(json);
    if (list == nullptr) {
      refuse(name_,
          "expected an array of rows, an object with such an array under \"data\", \"train\", "
          "\"rows\" or \"examples\", or JSON lines (one row on each line)");
    }
    rows_ = std::move(*list);
  }

  std::optional<FileRow> next() override {
    if (index_ == rows_.size()) return std::nullopt;
    const core::Json json = std::move(rows_[index_++]);
    const auto number = static_cast<std::int64_t>(index_);
    const std::string where = name_ + ", row " + std::to_string(number);
    return FileRow{parse_row(json, where), number, where};
  }

  std::int64_t bytes_read() const override {
    const std::int64_t size = RowFile::bytes_read();
    if (rows_.empty()) return size;
    return static_cast<std::int64_t>(static_cast<double>(size) * static_cast<double>(index_) /
                                     static_cast<double>(rows_.size()));
  }

 private:
  void check_bytes(std::string_view text) const {
    std::int64_t number = 0;
    while (!text.empty()) {
      const std::size_t end = std::min(text.find('\n'), text.size() - 1);
      ++number;
      if (const auto problem = byte_problem(text.substr(0, end + 1))) {
        refuse(name_ + ":" + std::to_string(number), *problem);
      }
      text.remove_prefix(end + 1);
    }
  }

  std::string name_;
  core::Json rows_;
  std::size_t index_ = 0;
};

// ".json" of "Rows.JSON" and of "rows.json.gz".
std::string extension_of(const fs::path& path, bool is_gzip) {
  const std::string extension = core::ascii_lower(path.extension().string());
  if (!is_gzip || (extension != ".gz" && extension != ".gzip")) return extension;
  return core::ascii_lower(path.stem().extension().string());
}

// True unless the object goes on in the next line or holds a list of rows.
bool is_row_alone(const std::string& line) {
  try {
    core::Json json = core::parse_json(line, "");
    return find_list(json) == nullptr;
  } catch (const Error&) {
    return false;
  }
}

std::string conversion(const std::string& what, const fs::path& path) {
  return "; make it JSON lines: python3 -c \"import pandas; pandas." + what + "('" +
         core::printable_path(path) + "').to_json('rows.jsonl', orient='records', lines=True)\"";
}

// Refuses what is no text of rows, and says what it is.
void refuse_foreign(const DataFile& file, const fs::path& path, const std::string& extension) {
  const std::string& bytes = file.first_bytes();
  if (core::is_lfs_pointer(bytes)) core::throw_lfs_pointer(file.name());
  if (const auto kind = core::binary_kind(bytes)) {
    std::string advice;
    if (*kind == "text in UTF-16")
      advice = "; convert it: iconv -f UTF-16 -t UTF-8 FILE > rows" + extension;
    if (*kind == "a Parquet file") advice = conversion("read_parquet", path);
    if (*kind == "an Arrow file" || *kind == "a Feather file")
      advice = conversion("read_feather", path);
    if (extension == ".xlsx" || extension == ".xls") advice = conversion("read_excel", path);
    if (*kind == "zstd data") advice = "; expand it with zstd -d";
    if (*kind == "xz data") advice = "; expand it with xz -d";
    if (*kind == "bzip2 data") advice = "; expand it with bzip2 -d";
    refuse(file.name(), "is " + *kind + ", which is not read as rows" + advice);
  }
  if (extension == ".yaml" || extension == ".yml") {
    refuse(file.name(),
        "is a YAML file, which is not read as rows; make it JSON: python3 -c \"import sys, yaml, "
        "json; json.dump(yaml.safe_load(sys.stdin), sys.stdout)\" < FILE > rows.json");
  }
}

FileFormat format_of(const std::string& extension) {
  struct Known {
    const char* extension;
    FileFormat format;
  };
  constexpr Known kKnown[] = {{".json", FileFormat::kJson}, {".jsonl", FileFormat::kJsonl},
      {".ndjson", FileFormat::kJsonl}, {".csv", FileFormat::kCsv}, {".tsv", FileFormat::kTsv},
      {".txt", FileFormat::kText}, {".text", FileFormat::kText}, {".md", FileFormat::kText}};
  for (const Known& known : kKnown) {
    if (extension == known.extension) return known.format;
  }
  return FileFormat::kAuto;
}

std::unique_ptr<RowFile> open_json(std::unique_ptr<LineReader> reader, FileFormat format) {
  const std::string& line = *reader->peek();
  const char first = line[line.find_first_not_of(kBlank)];
  const bool is_jsonl = format == FileFormat::kJsonl;
  if (first == '[' || (first == '{' && !is_jsonl && !is_row_alone(line)))
    return std::make_unique<JsonValue>(std::move(reader));
  if (is_jsonl || first == '{') return std::make_unique<JsonLines>(std::move(reader));
  const std::string begin = "got \"" + core::printable(std::string(1, first)) + "\"";
  if (format == FileFormat::kJson) {
    refuse(reader->file().name(),
        "expected JSON that begins with [ or {, " + begin + "; name a plain text file .txt");
  }
  refuse(reader->file().name(),
      "cannot tell what this file is: its name ends in none of .json, .jsonl, .csv, .tsv, .txt and "
      ".md, and JSON begins with [ or {, " +
          begin + "; --format text reads it as plain text");
}

}  // namespace

std::unique_ptr<RowFile> open_row_file(const fs::path& path, FileFormat format) {
  auto reader = std::make_unique<LineReader>(path);
  const std::string extension = extension_of(path, reader->file().is_gzip());
  refuse_foreign(reader->file(), path, extension);
  if (format == FileFormat::kAuto) format = format_of(extension);
  if (format == FileFormat::kText || reader->peek() == nullptr)
    return std::make_unique<Paragraphs>(std::move(reader));
  if (format == FileFormat::kCsv) return open_csv(std::move(reader), ',');
  if (format == FileFormat::kTsv) return open_csv(std::move(reader), '\t');
  return open_json(std::move(reader), format);
}

}  // namespace salf::data
