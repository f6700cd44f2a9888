#include <cmath>

#include "core/log.h"
#include "core/text.h"
#include "report/promise.h"
#include "text/show_run.h"

namespace salf::tools {
namespace {

std::string stage_lines(const std::vector<types::StageRecord>& stages) {
  std::string text;
  for (const types::StageRecord& stage : stages) {
    std::string line =
        std::to_string(stage.cut) + " frozen: " + core::format_count(stage.steps) + " steps";
    if (stage.evaluation) line += ", dev loss " + core::format_number(stage.evaluation->loss, 4);
    if (stage.decision.choice == types::StageChoice::kNext) line += "; the next pays";
    if (stage.decision.choice == types::StageChoice::kStay) line += "; the next does not pay";
    text += named(text.empty() ? "stages" : "", line);
  }
  return text;
}

std::string gate_lines(const std::vector<types::Gate>& gates) {
  std::string text;
  for (const types::Gate& gate : gates) {
    const std::string value = gate.value ? types::format_gate_value(gate.metric, *gate.value) +
                                               " at step " + core::format_count(gate.step)
                                         : "not told";
    text += named(text.empty() ? "gates" : "",
        types::format_gate(gate) + "  " + (gate.passed ? "passed: " : "FAILED: ") + value);
  }
  return text;
}

std::string pilot_lines(const types::PilotRecord& pilot) {
  std::string text = named("pilot", core::format_number(100.0 * pilot.share, 3) +
                                        " %: " + core::format_count(pilot.documents) + " of " +
                                        core::format_count(pilot.all_documents) + " documents");
  text += named("the whole run",
      core::format_seconds(pilot.full_seconds) + ", " + core::format_count(pilot.full_steps) +
          " steps, " + std::to_string(pilot.full_cut) + " blocks frozen (full-plan.json)");
  if (!pilot.pace || !pilot.full_seconds_at_pace || !pilot.full_steps_at_pace) return text;
  return text + named("at this pace",
                    core::format_seconds(*pilot.full_seconds_at_pace) + ", " +
                        core::format_count(*pilot.full_steps_at_pace) + " steps (a step took " +
                        core::format_number(*pilot.pace, 3) + " times as predicted)");
}

std::string loss(const types::DevEvaluation& evaluation) {
  return core::format_number(evaluation.loss) + " ± " +
         core::format_number(evaluation.standard_error, 2);
}

std::string promise_line(const types::RunRecord& record) {
  const std::optional<report::Promise> made = report::promise_of(record.plan);
  if (!made || !record.best) return "";
  const double above = record.best->loss - made->reference;
  return named("promise", "at most " + core::format_number(made->limit, 3) +
                              " above the predicted " + core::format_number(made->reference, 4) +
                              ": " + (made->kept(record.best->loss) ? "kept" : "NOT KEPT") +
                              ", it ended " + core::format_number(std::fabs(above), 3) +
                              (above < 0.0 ? " below" : " above"));
}

}  // namespace

std::string course_lines(const types::RunRecord& record) {
  return stage_lines(record.stages) + gate_lines(record.gates) +
         (record.pilot ? pilot_lines(*record.pilot) : "");
}

std::string run_summary(const types::RunRecord& record, const std::string& folder) {
  std::string text = plan_summary(record.plan);
  text += named("status", core::enum_to_string(record.status) + " after " +
                              core::format_count(record.steps) + " steps");
  if (record.before) text += named("dev loss before", loss(*record.before) + " nats per token");
  if (record.best) {
    text += named("dev loss kept",
        loss(*record.best) + " (step " + core::format_count(record.best->step) + ")");
  }
  text += promise_line(record);
  text += course_lines(record);
  const double predicted = record.predicted_seconds.total();
  text += named("time", (predicted > 0.0 ? core::format_seconds(predicted) + " predicted, " : "") +
                            core::format_seconds(record.measured_seconds.total()) + " measured");
  if (!record.unused.empty()) text += named("unused", record.unused);
  if (record.measured_footprint) text += named("taken", footprint_text(*record.measured_footprint));
  return text + named("run", core::printable(folder));
}

}  // namespace salf::tools
