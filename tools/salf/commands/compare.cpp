// salf compare: checks that NEW is not worse than BASE beyond limits and noise. Made for CI: a
// regression gives exit code 1.
#include "report/compare/compare.h"

#include "command_list.h"
#include "core/files.h"
#include "core/text.h"
#include "text/columns.h"

namespace salf::tools {
namespace {

struct CompareOptions {
  CommonOptions common;
  std::string base;
  std::string new_run;
  report::LimitTexts limits;
  std::string limits_file;
  std::string junit;

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    CommonOptions::fields(self.common, visit);
    visit(Field{"base", "run directory, run.json or evaluation to compare with"}, self.base);
    visit(Field{"new", "the one that must not be worse"}, self.new_run);
    report::LimitTexts::fields(self.limits, visit);
    core::begin_group(visit, "Limits");
    visit(Field{"limits",
              "JSON file with limits (max_loss_increase, …); one that is given as a flag too "
              "must be the same"},
        self.limits_file);
    visit(Field{"junit", "file to write the result to as JUnit's XML"}, self.junit);
  }

  std::vector<std::string> problems() const {
    std::vector<std::string> problems = report::limit_problems(limits);
    if (base.empty() || new_run.empty())
      problems.emplace_back("two are needed: salf compare BASE NEW");
    return problems;
  }
};

// Adds the flags to the limits of the file. A limit that both give differently is a problem.
struct LimitMerge {
  core::Json flags;
  std::vector<std::string> problems;

  template <class T> void operator()(const core::Field& field, T& value) {
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

// Numbers of the file as texts: a limit may be 0.01 as well as "0.01".
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

std::string shown(const report::Check& check, const std::optional<double>& figure) {
  if (!figure) return "";
  const double value = *figure;
  if (check.unit == "s") return core::format_seconds(value);
  if (check.unit == "bytes")
    return (value < 0 ? "-" : "") +
           core::format_bytes(static_cast<std::uint64_t>(value < 0 ? -value : value));
  return core::format_number(value, 4);
}

const char* verdict_text(report::Verdict verdict) {
  if (verdict == report::Verdict::kInformation) return "";
  return verdict == report::Verdict::kRegression ? "REGRESSION" : "ok";
}

std::string table_row(const std::string& name, const std::vector<std::string>& figures,
    const std::string& limit, const std::string& verdict) {
  std::string text = left(name, 15);
  for (const std::string& figure : figures) text += right(figure, 11);
  return text + right(limit, 9) + "  " + verdict + "\n";
}

std::string table(const report::Comparison& comparison) {
  std::string text = table_row("", {"base", "new", "worse by", "at least"}, "limit", "");
  for (const report::Check& check : comparison.checks) {
    text += table_row(check.name,
        {shown(check, check.base), shown(check, check.new_value), shown(check, check.worse_by),
            shown(check, check.at_least)},
        shown(check, check.limit), verdict_text(check.verdict));
  }
  for (const report::Check& check : comparison.checks) {
    if (!check.note.empty()) text += check.name + ": " + check.note + "\n";
  }
  for (const std::string& note : comparison.notes) text += "note: " + note + "\n";
  return text + (comparison.regression ? "a regression\n" : "no regression\n");
}

int run(const CompareOptions& options, core::Progress& /*progress*/) {
  const report::LimitTexts limits = all_limits(options);
  if (!options.junit.empty()) check_output_text(options.junit, "<?xml", "JUnit file", true);
  const report::Comparable base = report::load_comparable(options.base);
  const report::Comparable new_run = report::load_comparable(options.new_run);
  const report::Comparison comparison = report::compare(base, new_run, limits);
  if (!options.junit.empty())
    core::write_file_atomically(options.junit, report::junit_xml(comparison));
  print_result(options.common, core::document_json(comparison), table(comparison));
  return comparison.regression ? static_cast<int>(ErrorKind::kRegression) : 0;
}

}  // namespace

Command compare_command() {
  return make_command<CompareOptions>(
      {"compare", "Check that a run or evaluation is not worse than another", {"base", "new"},
          "Exit code 1 is a regression. Without a limit the loss may not increase beyond "
          "its noise.\n"
          "Examples:\n  salf compare run-main run-branch --max-loss-increase 0.01 "
          "--max-time-increase 10%\n"
          "  salf compare base.json new.json --limits limits.json --junit compare.xml"},
      &run);
}

}  // namespace salf::tools
