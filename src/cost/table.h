// Reading the tables of configs/: a file that the user names, or the copy in the program.
#pragma once

#include "core/log.h"
#include "types/range_check.h"

namespace salf::cost {

extern const char* const kHardwareText;
extern const char* const kPricesText;
extern const char* const kGridText;

// Reads the table in `path`; "" gives `built_in`, which errors call `name`. Throws Error(kIo), and
// Error(kBadInput) for another schema, unknown keys and numbers out of range.
template <class Table>
Table read_table(const std::string& path, const char* built_in, const char* name) {
  const std::string where = path.empty() ? std::string(name) : core::printable(path);
  core::Json json = path.empty() ? core::parse_json(built_in, where) : core::read_json_file(path);
  core::check_schema(json, Table::kSchema, where);
  json.erase("schema");
  Table table;
  core::from_json(json, where, table);
  types::check_ranges(table, where);
  return table;
}

}  // namespace salf::cost
