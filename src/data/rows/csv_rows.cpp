#include "data/rows/csv_rows.h"

#include <algorithm>

#include "core/log.h"
#include "core/text.h"
#include "data/bad_input.h"

namespace salf::data {
namespace {

constexpr std::size_t kMostColumns = 1000;

class CsvRows : public RowFile {
 public:
  CsvRows(std::unique_ptr<LineReader> lines, char delimiter)
      : RowFile(std::move(lines)), delimiter_(delimiter) {
    const std::string* const first = reader().peek();
    const bool semicolons = delimiter == ',' && first != nullptr &&
                            first->find(',') == std::string::npos &&
                            first->find(';') != std::string::npos;
    if (semicolons) delimiter_ = ';';
    std::vector<std::string> columns;
    if (!read_record(columns)) return;
    check_columns(columns);
    columns_ = std::move(columns);
  }

  std::optional<FileRow> next() override {
    std::vector<std::string> cells;
    if (!read_record(cells)) return std::nullopt;
    if (cells.size() != columns_.size()) {
      refuse(where_, "expected " + std::to_string(columns_.size()) +
                         " cells, as many as the first line names columns, got " +
                         std::to_string(cells.size()));
    }
    core::Json row = core::Json::object();
    for (std::size_t i = 0; i < cells.size(); ++i) row[columns_[i]] = std::move(cells[i]);
    return FileRow{parse_row(row, where_), line_number_, where_};
  }

 private:
  void check_columns(const std::vector<std::string>& columns) const {
    if (columns.size() > kMostColumns) {
      refuse(where_, "expected at most " + std::to_string(kMostColumns) + " columns, got " +
                         std::to_string(columns.size()));
    }
    for (std::size_t i = 0; i < columns.size(); ++i) {
      const auto begin = columns.begin();
      const auto here = begin + static_cast<std::ptrdiff_t>(i);
      if (std::find(begin, here, columns[i]) != here) {
        refuse(where_, "the first line names the column \"" + core::printable(columns[i], 40) +
                           "\" twice; it must name the columns");
      }
    }
  }

  // The cells of the next record that is not blank. False at the end.
  bool read_record(std::vector<std::string>& cells) {
    std::string line;
    do {
      if (!reader().next(line)) return false;
    } while (is_blank(line) && line.find(delimiter_) == std::string::npos);
    line_number_ = reader().number();
    where_ = reader().where();
    cells.assign(1, "");
    std::optional<std::string> problem = byte_problem(line);
    while (add_line(line, cells)) {
      if (!reader().next(line))
        refuse(where_, "a quoted cell does not end: the file may be cut off");
      if (!problem) problem = byte_problem(line);
      cells.back() += '\n';
    }
    if (problem) refuse(where_, *problem);
    return true;
  }

  // Goes on in the last cell. True if that is in quotes and goes on in the next line.
  bool add_line(const std::string& line, std::vector<std::string>& cells) {
    for (std::size_t at = 0; at < line.size(); ++at) {
      const char c = line[at];
      if (c == '"' && quoted_ && at + 1 < line.size() && line[at + 1] == '"') {
        cells.back() += line[++at];
      } else if (c == '"' && (quoted_ || cells.back().empty())) {
        quoted_ = !quoted_;
      } else if (c == delimiter_ && !quoted_) {
        cells.emplace_back();
      } else {
        cells.back() += c;
      }
    }
    return quoted_;
  }

  char delimiter_;
  bool quoted_ = false;  // within the quotes of the last cell
  std::vector<std::string> columns_;
  std::string where_;
  std::int64_t line_number_ = 0;
};

}  // namespace

std::unique_ptr<RowFile> open_csv(std::unique_ptr<LineReader> lines, char delimiter) {
  return std::make_unique<CsvRows>(std::move(lines), delimiter);
}

}  // namespace salf::data
