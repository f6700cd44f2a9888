#include "text/bench_table.h"

#include <array>
#include <cmath>
#include <cstdio>
#include <map>
#include <utility>
#include <vector>

#include "core/json.h"
#include "core/log.h"
#include "core/statistics.h"
#include "core/text.h"

namespace salf::tools {
namespace {

namespace fs = std::filesystem;
using Rows = std::vector<const app::BenchRow*>;

constexpr double kNormal95 = 1.96;

fs::path losses_file(const fs::path& folder, const app::BenchRow& row) {
  return folder / (app::row_key(row) + ".json");
}

std::string with_error(const char* format, double value, double error) {
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), format, value, kNormal95 * error);
  return text.data();
}

// Over the seeds where there are several, else over the documents of the one.
double error_of(const std::vector<double>& values, double over_documents) {
  if (values.size() < 2) return over_documents;
  return core::standard_deviation(values) / std::sqrt(static_cast<double>(values.size()));
}

std::string difference_to_full(const Rows& rows, const fs::path& folder) {
  std::vector<double> means;
  double over_documents = 0.0;
  for (const app::BenchRow* row : rows) {
    app::BenchRow full = *row;
    full.arm = full.name = "full";
    if (row->arm == "full" || !fs::exists(losses_file(folder, full)) ||
        !fs::exists(losses_file(folder, *row)))
      continue;
    const app::PairedDifference difference =
        app::paired_difference(core::read_document<app::DocumentLosses>(losses_file(folder, *row)),
            core::read_document<app::DocumentLosses>(losses_file(folder, full)));
    means.push_back(difference.mean);
    over_documents = difference.standard_error;
  }
  return means.empty()
             ? ""
             : with_error("%+.4f +-%.4f", core::mean(means), error_of(means, over_documents));
}

std::string table_row(const Rows& rows, const fs::path& folder) {
  const app::BenchRow& first = *rows.front();
  std::vector<double> losses;
  for (const app::BenchRow* row : rows) losses.push_back(row->test_loss.value_or(std::nan("")));
  const std::string loss = with_error(
      "%.4f +-%.4f", core::mean(losses), error_of(losses, first.test_se.value_or(std::nan(""))));
  std::array<char, 128> text{};
  std::snprintf(text.data(), text.size(), "%-12s%8s%7s%6zu%8s%19s  ",
      core::printable(first.name, 12).c_str(), core::format_number(first.minutes).c_str(),
      std::to_string(first.cut).c_str(), rows.size(), core::format_count(first.steps).c_str(),
      loss.c_str());
  return text.data() + difference_to_full(rows, folder) + "\n";
}

}  // namespace

std::string bench_table(const app::BenchRecord& record, const std::filesystem::path& losses) {
  std::map<std::pair<double, std::string>, Rows> groups;
  for (const app::BenchRow& row : record.rows) groups[{row.minutes, row.name}].push_back(&row);
  std::string text =
      "arm          minutes frozen seeds   steps   test loss +-95 %  less full, paired\n";
  for (const auto& [key, rows] : groups) text += table_row(rows, losses);
  return text;
}

}  // namespace salf::tools
