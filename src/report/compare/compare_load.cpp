// Reading runs, evaluations and limits for a comparison.
#include <array>
#include <cmath>
#include <cstdlib>

#include "core/error.h"
#include "core/json.h"
#include "core/log.h"
#include "core/text.h"
#include "report/compare/compare_limits.h"
#include "types/budget.h"
#include "types/validate.h"

namespace salf::report {
namespace {

namespace fs = std::filesystem;

bool read_amount(const std::string& text, double& amount, std::string& rest) {
  char* end = nullptr;
  amount = std::strtod(text.c_str(), &end);
  if (end == text.c_str() || !std::isfinite(amount) || amount < 0.0) return false;
  rest = end;
  rest.erase(0,
      rest.find_first_not_of(' ') == std::string::npos ? rest.size() : rest.find_first_not_of(' '));
  return true;
}

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
  double factor = 1.0;
  for (const char* name : kUnits) {
    if (unit == name) return factor;
    factor *= 1e3;
  }
  return std::nullopt;
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
  double amount = 0.0;
  std::string rest;
  if (!read_amount(text, amount, rest)) return std::nullopt;
  if (rest == "%") return Limit{amount / 100.0, true};
  if (rest.empty()) return Limit{amount, false};
  if (kind == LimitKind::kTime) {
    const std::optional<double> seconds = time_of(text);
    if (seconds) return Limit{*seconds, false};
  }
  if (kind == LimitKind::kMemory) {
    const std::optional<double> factor = bytes_of(rest);
    if (factor) return Limit{amount * *factor, false};
  }
  return std::nullopt;
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
  Comparable result;
  result.path = path.string();
  if (!fs::exists(path)) {
    throw Error(ErrorKind::kIo,
        core::printable_path(path) +
            ": there is no such file or folder; expected a run directory, a run.json or "
            "a file that salf eval -o wrote");
  }
  const fs::path file = fs::is_directory(path) ? path / "run.json" : path;
  if (!fs::exists(file))
    throw Error(ErrorKind::kBadInput,
        core::printable_path(path) + ": is no run directory: there is no run.json in it");
  const core::Json json = core::read_json_file(file);
  const core::Json* const schema = core::find_member(json, "schema");
  const std::string name =
      schema != nullptr && schema->is_string() ? schema->get<std::string>() : "";
  if (name.rfind("salf.run/", 0) == 0) {
    result.run = types::read_run(file);
    check_ended(*result.run, file);
    const fs::path losses = file.parent_path() / "dev_losses.json";
    if (fs::exists(losses)) result.dev_losses = types::read_dev_losses(losses);
  } else if (name.rfind("salf.eval/", 0) == 0) {
    result.evaluation = types::read_evaluation(file);
  } else {
    throw Error(ErrorKind::kBadInput,
        core::printable_path(file) +
            ": expected a run (schema salf.run) or an evaluation (salf.eval), got " +
            (name.empty() ? "a document without a schema"
                          : "\"" + core::printable(name, 80) + "\""));
  }
  return result;
}

}  // namespace salf::report
