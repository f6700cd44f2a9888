#include "text/run_summary.h"

#include "core/log.h"
#include "core/text.h"
#include "text/footprint_text.h"
#include "text/plan_text.h"
#include "text/show_run.h"

namespace salf::tools {
namespace {

std::string line(const char* name, const std::string& value) {
  std::string text = name;
  text.resize(16, ' ');
  return text + value + "\n";
}

std::string loss(const types::DevEvaluation& evaluation) {
  return core::format_number(evaluation.loss) + " ± " +
         core::format_number(evaluation.standard_error, 2);
}

}  // namespace

std::string run_summary(const types::RunRecord& record, const std::string& folder) {
  std::string text = plan_summary(record.plan);
  text += line("status", core::enum_to_string(record.status) + " after " +
                             core::format_count(record.steps) + " steps");
  if (record.before) text += line("dev loss before", loss(*record.before) + " nats per token");
  if (record.best) {
    text += line("dev loss kept",
        loss(*record.best) + " (step " + core::format_count(record.best->step) + ")");
  }
  text += stage_lines(record.stages) + gate_lines(record.gates) + pilot_lines(record.pilot);
  text += line("time", core::format_seconds(record.predicted_seconds.total()) + " predicted, " +
                           core::format_seconds(record.measured_seconds.total()) + " measured");
  if (!record.unused.empty()) text += line("unused", record.unused);
  if (record.measured_footprint) text += line("taken", footprint_text(*record.measured_footprint));
  return text + line("run", core::printable(folder));
}

}  // namespace salf::tools
