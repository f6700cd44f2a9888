// Reading runs, evaluations and limits for a comparison.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>

#include "core/error.h"
#include "core/log.h"
#include "core/text.h"
#include "report/compare/compare.h"
#include "report/run_data.h"
#include "types/budget.h"
#include "types/validate.h"

namespace salf::report {
namespace {

namespace fs = std::filesystem;

std::optional<double> time_of(const std::string& text) {
  try {
    const types::Budget budget = types::parse_budget(text);
    if (budget.unit == types::BudgetUnit::kSeconds) return budget.amount;
  } catch (const Error&) {
  }
  return std::nullopt;
}

std::optional<double> bytes_of(const std::string& unit) {
  constexpr std::array<const char*, 5> kUnits = {"B", "kB", "MB", "GB", "TB"};
  const auto found = std::find(kUnits.begin(), kUnits.end(), unit);
  if (found == kUnits.end()) return std::nullopt;
  return std::pow(1e3, static_cast<double>(found - kUnits.begin()));
}

void check_ended(const types::RunRecord& run, const fs::path& file) {
  if (run.status != types::RunStatus::kRunning && run.status != types::RunStatus::kInterrupted)
    return;
  throw Error(ErrorKind::kBadInput,
      core::printable_path(file) + ": this run has not come to its end (status " +
          core::enum_to_string(run.status) + "); wait for it, or go on with salf train --resume");
}

}  // namespace

std::optional<Limit> parse_limit(const std::string& text, LimitKind kind) {
  char* end = nullptr;
  const double amount = std::strtod(text.c_str(), &end);
  if (end == text.c_str() || !std::isfinite(amount) || amount < 0.0) return std::nullopt;
  while (*end == ' ') ++end;
  const std::string unit = end;
  if (unit == "%") return Limit{amount / 100.0, true};
  if (unit.empty()) return Limit{amount, false};
  std::optional<double> value;
  if (kind == LimitKind::kTime) value = time_of(text);
  if (kind == LimitKind::kMemory) {
    value = bytes_of(unit);
    if (value) *value *= amount;
  }
  return value ? std::optional(Limit{*value, false}) : std::nullopt;
}

std::vector<std::string> limit_problems(const LimitTexts& limits) {
  std::vector<std::string> problems;
  const auto add = [&problems](const char* flag, const std::string& text, LimitKind kind,
                       const char* expected) {
    if (text.empty() || parse_limit(text, kind)) return;
    problems.push_back(std::string(flag) + ": expected " + expected + " of at least 0, got \"" +
                       core::printable(text, 60) + "\"");
  };
  add("--max-loss-increase", limits.max_loss_increase, LimitKind::kNumber,
      "a number or a share (0.01, 1%)");
  add("--max-accuracy-decrease", limits.max_accuracy_decrease, LimitKind::kNumber,
      "a number or a share (0.01, 1%)");
  add("--max-time-increase", limits.max_time_increase, LimitKind::kTime,
      "a share or a time (10%, 30s)");
  add("--max-memory-increase", limits.max_memory_increase, LimitKind::kMemory,
      "a share or bytes (10%, 500MB)");
  return problems;
}

Comparable load_comparable(const fs::path& path) {
  const auto [file, schema] =
      find_document(path, "a run directory, a run.json or a file that salf eval -o wrote");
  Comparable result;
  result.path = path.string();
  if (core::starts_with(schema, "salf.run/")) {
    result.run = types::read_run(file);
    check_ended(*result.run, file);
    const fs::path losses = file.parent_path() / "dev_losses.json";
    if (fs::exists(losses)) result.dev_losses = types::read_dev_losses(losses);
  } else if (core::starts_with(schema, "salf.eval/")) {
    result.evaluation = types::read_evaluation(file);
  } else {
    throw Error(ErrorKind::kBadInput,
        core::printable_path(file) +
            ": expected a run (schema salf.run) or an evaluation (salf.eval), got " +
            (schema.empty() ? "a document without a schema"
                            : "\"" + core::printable(schema, 80) + "\""));
  }
  return result;
}

}  // namespace salf::report
