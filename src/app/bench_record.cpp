#include "app/bench_record.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <map>
#include <utility>

#include "core/error.h"
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
