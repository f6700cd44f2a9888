#include "commands/compare.h"

#include <cstdio>

#include "core/error.h"
#include "core/files.h"
#include "core/json.h"
#include "core/log.h"
#include "core/text.h"
#include "output_file.h"

namespace salf::tools {
namespace {

// Flags and file together; a limit that both give differently is an error.
struct LimitMerge {
  core::Json flags;
  std::vector<std::string> problems;

  template <class T>
  void operator()(const core::Field& field, T& value) {
    const core::Json* const flag = core::find_member(flags, field.name);
    const bool given = flag != nullptr && !flag->is_null() && *flag != "";
    if (!given) return;
    const core::Json here = core::to_json(value);
    if (!here.is_null() && here != "" && here != *flag) {
      problems.push_back(core::flag_name(field.name) + " contradicts the file of --limits: " +
                         flag->dump() + " and " + here.dump());
    }
    core::from_json(*flag, field.name, value);
  }
};

// A limit may stand in the file as a number, 0.01 as well as "0.01".
core::Json with_texts(core::Json json) {
  for (auto& [key, value] : json.items()) {
    if (value.is_number() && key != "max_eof_move") value = value.dump();
  }
  return json;
}

report::LimitTexts all_limits(const CompareOptions& options) {
  if (options.limits_file.empty()) return options.limits;
  report::LimitTexts limits;
  const std::string where = core::printable_path(options.limits_file);
  const core::Json json = core::read_json_file(options.limits_file);
  if (!json.is_object()) core::throw_json_type(where, "an object of limits", json);
  core::from_json(with_texts(json), where, limits);
  std::vector<std::string> problems = report::limit_problems(limits);
  for (const std::string& problem : core::range_problems(limits)) problems.push_back(problem);
  if (!problems.empty())
    throw Error(ErrorKind::kBadInput, where + ": " + core::join(problems, "; "));
  LimitMerge merge{core::to_json(options.limits), {}};
  report::LimitTexts::fields(limits, merge);
  if (!merge.problems.empty()) throw Error(ErrorKind::kUsage, core::join(merge.problems, "\n  "));
  return limits;
}

std::string shown(const report::Check& check, double value) {
  if (check.unit == "s") return core::format_seconds(value);
  if (check.unit == "bytes")
    return (value < 0 ? "-" : "") +
           core::format_bytes(static_cast<std::uint64_t>(value < 0 ? -value : value));
  return core::format_number(value, 4);
}

void print(const report::Comparison& comparison) {
  std::printf(
      "%-15s%11s%11s%11s%11s%9s  %s\n", "", "base", "new", "worse by", "at least", "limit", "");
  for (const report::Check& check : comparison.checks) {
    const char* const verdict = check.verdict == report::Verdict::kInformation  ? ""
                                : check.verdict == report::Verdict::kRegression ? "REGRESSION"
                                                                                : "ok";
    const std::string least = check.at_least ? shown(check, *check.at_least) : "";
    const std::string limit = check.limit ? shown(check, *check.limit) : "";
    std::printf("%-15s%11s%11s%11s%11s%9s  %s\n", check.name.c_str(),
        shown(check, check.base).c_str(), shown(check, check.new_value).c_str(),
        shown(check, check.worse_by).c_str(), least.c_str(), limit.c_str(), verdict);
  }
  for (const report::Check& check : comparison.checks) {
    if (!check.note.empty()) std::printf("%s: %s\n", check.name.c_str(), check.note.c_str());
  }
  for (const std::string& note : comparison.notes) std::printf("note: %s\n", note.c_str());
  std::printf("%s\n", comparison.regression ? "a regression" : "no regression");
}

}  // namespace

std::vector<std::string> CompareOptions::problems() const {
  std::vector<std::string> problems = report::limit_problems(limits);
  if (base.empty() || new_run.empty())
    problems.emplace_back("two are needed: salf compare BASE NEW");
  return problems;
}

int compare_command(const CompareOptions& options, core::Progress& /*progress*/) {
  const report::LimitTexts limits = all_limits(options);
  if (!options.junit.empty()) check_output_text(options.junit, "<?xml", "JUnit file", true);
  const report::Comparable base = report::load_comparable(options.base);
  const report::Comparable new_run = report::load_comparable(options.new_run);
  const report::Comparison comparison = report::compare(base, new_run, limits);
  if (!options.junit.empty())
    core::write_file_atomically(options.junit, report::junit_xml(comparison));
  if (options.common.json) {
    core::Json json = core::Json::object();
    json["schema"] = report::Comparison::kSchema;
    json.update(core::to_json(comparison));
    std::fputs(core::format_json(json).c_str(), stdout);
  } else {
    print(comparison);
  }
  return comparison.regression ? static_cast<int>(ErrorKind::kRegression) : 0;
}

}  // namespace salf::tools
