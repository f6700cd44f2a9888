// Which rows does a data file hold? Its format is found, then its rows come one after another.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "data/rows/data_file.h"
#include "data/rows/rows.h"

namespace salf::data {

struct FileRow {
  RowText text;
  std::int64_t line = 0;  // as in Document
  std::string where;      // "data.jsonl:17", for messages
};

class RowFile {
 public:
  virtual ~RowFile() = default;
  // The next row, or nothing at the end. Throws Error(kBadInput) for a bad row, after which the
  // next call goes on with the row behind it; Error(kIo) ends the reading.
  virtual std::optional<FileRow> next() = 0;
  // Where the rows come from: its size and, when there are no more rows, its hash.
  virtual DataFile& file() = 0;
  virtual std::int64_t bytes_read() const = 0;  // of the file, for progress
};

// JSONL and plain text are streamed; a JSON array is read as a whole. `path` "-" is standard input.
// The forms are those of load_dataset (dataset.h). Throws Error(kIo) when the file cannot be read
// or is not a regular file, Error(kBadInput) when its format is not known or a JSON value is
// malformed.
std::unique_ptr<RowFile> open_row_file(const std::filesystem::path& path);

}  // namespace salf::data
