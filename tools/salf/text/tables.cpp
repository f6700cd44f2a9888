#include "text/tables.h"

#include <map>

#include "core/log.h"
#include "core/statistics.h"
#include "core/text.h"
#include "text/columns.h"

namespace salf::tools {
namespace {

namespace fs = std::filesystem;
using Rows = std::vector<const app::BenchRow*>;

constexpr double kNormal95 = 1.96;

fs::path losses_file(const fs::path& folder, const app::BenchRow& row) {
  return folder / (app::row_key(row) + ".json");
}

// The standard error over several seeds, or over the documents of a single one.
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
  return means.empty() ? ""
                       : formatted("%+.4f +-%.4f", core::mean(means),
                             kNormal95 * error_of(means, over_documents));
}

std::string table_row(const Rows& rows, const fs::path& folder) {
  const app::BenchRow& first = *rows.front();
  std::vector<double> losses;
  for (const app::BenchRow* row : rows) losses.push_back(row->test_loss.value_or(std::nan("")));
  const std::string loss = formatted("%.4f +-%.4f", core::mean(losses),
      kNormal95 * error_of(losses, first.test_se.value_or(std::nan(""))));
  return left(core::printable(first.name, 12), 12) + right(core::format_number(first.minutes), 8) +
         right(std::to_string(first.cut), 7) + right(std::to_string(rows.size()), 6) +
         right(core::format_count(first.steps), 8) + right(loss, 19) + "  " +
         difference_to_full(rows, folder) + "\n";
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

std::string trials_text(const types::TrialTable& table) {
  std::string text = "loss before " + core::format_number(table.loss_before) + " on " +
                     core::format_count(table.dev_documents) + " dev documents; " +
                     core::format_count(table.steps) + " steps an arm\n\n";
  text += "arm         frozen  learning rate    loss      gain +-se     to the first +-se\n";
  for (const types::Trial& arm : table.arms) {
    text += formatted("%-12s%6lld%15.2e%8.4f%9.4f +-%.4f%11.4f +-%.4f\n",
        core::printable(arm.name, 12).c_str(), static_cast<long long>(arm.cut), arm.learning_rate,
        arm.loss, arm.gain, arm.gain_error, arm.delta, arm.delta_error);
    for (const types::TriedRate& rate : arm.rates) {
      text += formatted("  rate x %-4.4g%22.2e%8.4f%20.4f +-%.4f to that\n", rate.factor,
          rate.factor * arm.learning_rate, rate.loss, rate.delta, rate.delta_error);
    }
  }
  return text;
}

}  // namespace salf::tools
