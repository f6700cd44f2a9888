#include "text/show_run.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "core/log.h"
#include "core/text.h"
#include "text/text_chart.h"

namespace salf::tools {
namespace {

constexpr std::size_t kCurveHeight = 8;

std::string loss_of(const types::DevEvaluation& evaluation) {
  std::string text = core::format_number(evaluation.loss);
  if (std::isfinite(evaluation.standard_error))
    text += " +- " + core::format_number(evaluation.standard_error, 2);
  return text + " (step " + core::format_count(evaluation.step) + ")";
}

struct Phase {
  const char* name;
  double types::CostBreakdown::*seconds;
};
constexpr std::array<Phase, 8> kPhases = {{{"frozen part", &types::CostBreakdown::prefix},
    {"kept states", &types::CostBreakdown::cache},
    {"trained, forward", &types::CostBreakdown::suffix_forward},
    {"head and loss", &types::CostBreakdown::head}, {"backward", &types::CostBreakdown::backward},
    {"optimizer", &types::CostBreakdown::optimizer},
    {"evaluations", &types::CostBreakdown::evaluation},
    {"everything else", &types::CostBreakdown::fixed}}};

std::string phases(const types::RunRecord& run, const TextStyle& style) {
  double largest = 0.0;
  for (const Phase& phase : kPhases)
    largest = std::max(largest, run.measured_seconds.*phase.seconds);
  std::string text =
      heading(left("seconds", 16) + right("predicted", 12) + right("measured", 12), style);
  const std::size_t room = style.width > 60 ? std::min<std::size_t>(style.width - 44, 30) : 0;
  for (const Phase& phase : kPhases) {
    const double measured = run.measured_seconds.*phase.seconds;
    text += left(phase.name, 16) +
            right(core::format_seconds(run.predicted_seconds.*phase.seconds), 12) +
            right(core::format_seconds(measured), 12);
    const std::string bar =
        room > 0 && largest > 0.0 ? trimmed(text_bar(measured / largest, room)) : "";
    text += (bar.empty() ? "" : "  " + painted(bar, style)) + "\n";
  }
  return text + left("together", 16) +
         right(core::format_seconds(run.predicted_seconds.total()), 12) +
         right(core::format_seconds(run.measured_seconds.total()), 12) + "\n";
}

std::string curve(const report::Metrics& metrics, const TextStyle& style) {
  if (metrics.steps.empty()) return "";
  std::vector<double> steps, losses;
  for (const report::StepPoint& point : metrics.steps) {
    steps.push_back(static_cast<double>(point.step));
    losses.push_back(point.loss);
  }
  return heading("training loss by step", style) +
         text_curve(steps, losses, style.width, kCurveHeight);
}

std::string with_interval(const types::Figure& figure) {
  return core::format_number(figure.value) + "  (" + core::format_number(figure.low) + " … " +
         core::format_number(figure.high) + ")";
}

}  // namespace

std::string run_text(const report::RunData& run, const TextStyle& style) {
  const types::RunRecord& record = *run.run;
  std::string text = plan_summary(record.plan, style.width);
  text += named("status", core::enum_to_string(record.status) + " after " +
                              core::format_count(record.steps) + " steps");
  if (!record.unused.empty()) text += named("unused", core::printable(record.unused, 200));
  if (record.before) text += named("dev loss before", loss_of(*record.before));
  if (record.best) text += named("dev loss kept", loss_of(*record.best));
  text += stage_lines(record.stages) + gate_lines(record.gates) + pilot_lines(record.pilot);
  if (record.tokens_per_second > 0.0)
    text += named("speed", core::format_number(record.tokens_per_second) + " tokens a second");
  const auto peak = static_cast<std::uint64_t>(record.peak_anonymous_bytes);
  if (peak > 0) text += named("memory", core::format_bytes(peak) + " at most");
  return text + phases(record, style) + curve(run.metrics, style);
}

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

std::string pilot_lines(const std::optional<types::PilotRecord>& pilot) {
  if (!pilot) return "";
  std::string text = named("pilot", core::format_number(100.0 * pilot->share, 3) +
                                        " %: " + core::format_count(pilot->documents) + " of " +
                                        core::format_count(pilot->all_documents) + " documents");
  text += named("the whole run",
      core::format_seconds(pilot->full_seconds) + ", " + core::format_count(pilot->full_steps) +
          " steps, " + std::to_string(pilot->full_cut) + " blocks frozen (full-plan.json)");
  if (!pilot->pace || !pilot->full_seconds_at_pace || !pilot->full_steps_at_pace) return text;
  return text + named("at this pace",
                    core::format_seconds(*pilot->full_seconds_at_pace) + ", " +
                        core::format_count(*pilot->full_steps_at_pace) + " steps (a step took " +
                        core::format_number(*pilot->pace, 3) + " times as predicted)");
}

std::string evaluation_text(const types::EvaluationRecord& record) {
  std::string text;
  const auto row = [&](const char* name, const std::string& value) {
    text += named(name, value, 22);
  };
  row("documents", core::format_count(record.tokens.documents) + " (" +
                       core::printable(record.split, 40) + "), " +
                       core::format_count(record.tokens.supervised_tokens) + " supervised tokens");
  row("loss (nats per token)", with_interval(record.tokens.loss));
  row("perplexity", with_interval(record.tokens.perplexity));
  row("next-token accuracy", with_interval(record.tokens.accuracy));
  if (record.choices) {
    row("choice accuracy", with_interval(record.choices->accuracy) + ", " +
                               core::format_count(record.choices->correct) + " of " +
                               core::format_count(record.choices->rows));
  }
  return text + "Intervals hold 95 %, over documents.\n";
}

}  // namespace salf::tools
