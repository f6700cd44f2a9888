// Tables of columns: CSV and TSV (RFC 4180).
#pragma once

#include <string>
#include <vector>

#include "data/rows/row_file.h"

namespace salf::data {

// The first record names the columns, which are the rows' keys; cells are strings. A cell in double
// quotes may hold delimiters, line ends and, doubled, quotes. A file that names its columns with
// semicolons and without commas is divided by semicolons. Throws as open_row_file does.
std::unique_ptr<RowFile> open_csv(std::unique_ptr<LineReader> lines, char delimiter);

}  // namespace salf::data
