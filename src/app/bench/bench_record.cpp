#include "app/bench/bench_record.h"

#include <algorithm>

#include "core/log.h"
#include "core/statistics.h"
#include "core/text.h"

namespace salf::app {
std::string row_key(const BenchRow& row) {
  std::string name = row.name;
  std::replace(name.begin(), name.end(), ':', '-');
  if (row.arm == "untuned") return name;
  return name + "_" + core::format_number(row.minutes) + "min_seed" + std::to_string(row.seed);
}

void check_same_bench(const BenchRecord& record, const core::Json& identity,
    const core::Json& defaults, const std::string& folder) {
  for (const auto& [key, value] : identity.items()) {
    const core::Json* const before = core::find_member(record.identity, key);
    if (before == nullptr ? defaults.contains(key) && defaults[key] == value : *before == value)
      continue;
    const std::string was = before == nullptr ? "none" : before->dump();
    throw Error(ErrorKind::kUsage,
        core::printable(folder) + ": the bench there was begun with another " + key + " (" +
            core::printable(was, 60) + ", now " + core::printable(value.dump(), 60) +
            "); --force begins again, --output names another folder");
  }
}

PairedDifference paired_difference(const DocumentLosses& a, const DocumentLosses& b) {
  const bool whole = a.loss.size() == a.document.size() && a.tokens.size() == a.document.size() &&
                     b.loss.size() == b.document.size();
  if (!whole || a.document != b.document || a.tokens != b.tokens) {
    throw Error(ErrorKind::kBadInput, "losses to be compared are not of the same documents");
  }
  core::ClusteredMean difference;
  for (std::size_t i = 0; i < a.document.size(); ++i)
    difference.add(a.loss[i] - b.loss[i], a.tokens[i]);
  return {difference.estimate().mean, difference.estimate().standard_error};
}

}  // namespace salf::app
