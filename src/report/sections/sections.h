// The page's sections, each for one run.
#pragma once

#include <string>
#include <vector>

#include "report/page/html_report.h"
#include "report/page/texts.h"
#include "report/run_data.h"

namespace salf::report {

struct Context {
  const std::vector<RunData>& runs;
  const PageOptions& options;
};

// The HTML of one run's part of each section.
std::string decision(const RunData& run, const Context& context);
std::string savings(const RunData& run, const Context& context);
std::string quality(const RunData& run, const Context& context);
std::string layers(const RunData& run, const Context& context);
std::string budget(const RunData& run, const Context& context);
std::string progress(const RunData& run, const Context& context);
std::string basis(const RunData& run, const Context& context);
std::string repeat(const RunData& run, const Context& context);
// The part of `basis` on the domain's vocabulary and the domains.
std::string domain(const types::LayerProfile& profile, const Context& context);

// For several runs: one table at the top, and the losses beside one another.
std::string overview(const std::vector<RunData>& runs);
std::string loss_comparison(const std::vector<RunData>& runs);

// Energy, CO2 and money as rows of the savings' table (see savings.cpp): (name, predicted,
// measured, full fine-tuning, saved) as HTML.
struct CostRow {
  Word name;
  std::string predicted, measured, full, saved;
};
std::vector<CostRow> external_costs(const RunData& run);

// The plan stands in the document "run" under "plan", or is a document of its own.
std::string plan_path(const RunData& run, const std::string& field);

// The cut that the reader is told: the plan's, or that at which a run in stages ended.
struct Cut {
  std::int64_t cut = 0;
  std::string path;
};
Cut cut_of(const RunData& run, const types::FreezePlan& plan);
const Text& rule_text(types::RunStatus status);
// A tag: "measured", "estimated".
std::string tag(Word word);
const types::Deviation* find_deviation(const types::LayerProfile& profile, types::Measure measure);
// The command line that gives a train run these options, quoted for a shell.
std::string command_line(const core::Json& options);

}  // namespace salf::report
