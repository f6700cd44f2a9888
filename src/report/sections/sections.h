// The sections of the page.
#pragma once

#include "report/page/chart.h"
#include "report/page/html_report.h"
#include "report/page/texts.h"
#include "report/run_data.h"

namespace salf::report {

struct Context {
  const std::vector<RunData>& runs;
  const PageOptions& options;
};

// Each function returns the HTML of one section for one run.
std::string decision(const RunData& run, const Context& context);
std::string savings(const RunData& run, const Context& context);
std::string quality(const RunData& run, const Context& context);
std::string layers(const RunData& run, const Context& context);
std::string budget(const RunData& run, const Context& context);
std::string progress(const RunData& run, const Context& context);
std::string basis(const RunData& run, const Context& context);
std::string repeat(const RunData& run, const Context& context);
// The part of `basis` about domains and their vocabulary.
std::string domain(const types::LayerProfile& profile, const Context& context);

// The part of `budget` about aims; "" of a plan without them.
std::string aims(const RunData& run, const types::FreezePlan& plan);

// For several runs: a table of all, and a chart of their losses.
std::string overview(const std::vector<RunData>& runs);
std::string loss_comparison(const std::vector<RunData>& runs);

// The JSON path of a plan's field: "run.plan.FIELD", or "plan.FIELD" of a plan alone.
std::string plan_path(const RunData& run, const std::string& field);

// The cut that the page shows: the plan's, or the last stage's.
struct Cut {
  std::int64_t cut = 0;
  std::string path;
};
Cut cut_of(const RunData& run, const types::FreezePlan& plan);
Word status_word(types::RunStatus status);
// A label behind a figure: "measured", "estimated".
std::string tag(Word word);
Word measure_word(types::Measure measure);
// The rule's name in a <code> element.
std::string rule_name(types::Rule rule);
// The mark of the chosen cut, at x = cut + shift.
Mark cut_mark(std::int64_t cut, double shift = 0.0);
const types::Provenance& provenance(const RunData& run);
// The `salf train` command line with these options, quoted for a shell.
std::string command_line(const core::Json& options);

}  // namespace salf::report
