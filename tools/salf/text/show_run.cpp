#include "text/show_run.h"

#include <algorithm>
#include <cmath>

#include "core/log.h"
#include "core/text.h"
#include "text/answer_text.h"

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
  const bool known = run.predicted_seconds.total() > 0.0;
  const auto predicted = [known](double seconds) {
    return right(known ? core::format_seconds(seconds) : "-", 12);
  };
  double largest = 0.0;
  for (const Phase& phase : kPhases)
    largest = std::max(largest, run.measured_seconds.*phase.seconds);
  std::string text =
      heading(left("seconds", 16) + right("predicted", 12) + right("measured", 12), style);
  const std::size_t room = style.width > 60 ? std::min<std::size_t>(style.width - 44, 30) : 0;
  for (const Phase& phase : kPhases) {
    const double measured = run.measured_seconds.*phase.seconds;
    text += left(phase.name, 16) + predicted(run.predicted_seconds.*phase.seconds) +
            right(core::format_seconds(measured), 12);
    const std::string bar =
        room > 0 && largest > 0.0 ? trimmed(text_bar(measured / largest, room)) : "";
    text += (bar.empty() ? "" : "  " + painted(bar, style)) + "\n";
  }
  return text + left("together", 16) + predicted(run.predicted_seconds.total()) +
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

std::string generation_lines(const types::AnswerScores& scores) {
  const auto row = [](const char* name, const std::string& value) {
    return named(name, value, 22);
  };
  std::string text = row("answers", core::format_count(scores.rows) + " of " +
                                        core::format_count(scores.available) + " rows, " +
                                        core::format_count(scores.cut) + " cut at " +
                                        core::format_count(scores.tokens) + " tokens");
  text += row("exact match", with_interval(scores.exact_match));
  text += row("token F1", with_interval(scores.f1));
  if (!scores.number) return text;
  return text + row("final number", with_interval(*scores.number) + ", of " +
                                        core::format_count(scores.number_rows) + " rows");
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
  text += course_lines(record);
  if (record.tokens_per_second > 0.0)
    text += named("speed", core::format_number(record.tokens_per_second) + " tokens a second");
  const auto peak = static_cast<std::uint64_t>(record.peak_anonymous_bytes);
  if (peak > 0) text += named("memory", core::format_bytes(peak) + " at most");
  if (run.answers) text += answers_text(*run.answers, style);
  return text + phases(record, style) + curve(run.metrics, style);
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
  if (record.generation) text += generation_lines(*record.generation);
  return text + "Intervals hold 95 %, over documents.\n";
}

}  // namespace salf::tools
