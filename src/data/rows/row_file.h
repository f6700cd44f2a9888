// The rows of a data file, one after another.
#pragma once

#include "data/chat/conversation.h"
#include "data/rows/data_file.h"

namespace salf::data {

// What a data file is.
enum class FileFormat { kAuto, kJson, kJsonl, kCsv, kTsv, kText };
inline std::vector<core::EnumName<FileFormat>> enum_names(FileFormat) {
  return {{FileFormat::kAuto, "auto"}, {FileFormat::kJson, "json"}, {FileFormat::kJsonl, "jsonl"},
      {FileFormat::kCsv, "csv"}, {FileFormat::kTsv, "tsv"}, {FileFormat::kText, "text"}};
}

struct Question {
  std::vector<std::string> options;  // 2 to 26 texts
  std::size_t answer = 0;            // index of the right one
};

// The texts of a row. A `text` row has an empty prompt. A conversation has messages, and neither
// prompt nor completion.
struct RowText {
  std::string prompt;
  std::string completion;
  std::optional<Question> question;
  Conversation chat;
  std::string domain;               // the field "domain" if it is a string; "": none
  bool odd_domain = false;          // the field "domain" is not a string
  std::vector<std::string> unused;  // keys that hold something and are in none of these
};

// The forms are those of load_dataset (dataset.h). `where` starts each error. Throws
// Error(kBadInput): not an object, no known form (with the forms and the keys that were found), a
// field of another type, unknown roles, or options and answer that do not fit.
RowText parse_row(const core::Json& json, const std::string& where);

struct FileRow {
  RowText text;
  std::int64_t line = 0;  // as in Document
  std::string where;      // "data.jsonl:17", for messages
};

class RowFile {
 public:
  explicit RowFile(std::unique_ptr<LineReader> reader) : reader_(std::move(reader)) {}
  virtual ~RowFile() = default;
  // The next row, or nothing at the end. Throws Error(kBadInput) for a bad row; the next call then
  // goes on behind it. Throws Error(kIo), which ends the reading.
  virtual std::optional<FileRow> next() = 0;
  // The source of the rows. Its hash is known when there are no more rows.
  DataFile& file() { return reader_->file(); }
  // Bytes of the file whose rows were given, for progress.
  virtual std::int64_t bytes_read() const { return reader_->file().bytes_read(); }

 protected:
  LineReader& reader() const { return *reader_; }

 private:
  std::unique_ptr<LineReader> reader_;
};

// Streams JSONL, CSV, TSV and plain text; reads a JSON array as a whole. `path` "-" is standard
// input. The forms are those of load_dataset (dataset.h). Throws Error(kIo) for a file that cannot
// be read or is not regular, Error(kBadInput) for an unknown format (the message says what the file
// is, where that can be seen) or a malformed JSON value.
std::unique_ptr<RowFile> open_row_file(
    const std::filesystem::path& path, FileFormat format = FileFormat::kAuto);

}  // namespace salf::data
