// Quality: loss and accuracy before and after, with intervals, and the runs beside one another.
#include <algorithm>
#include <cmath>
#include <limits>

#include "core/statistics.h"
#include "core/text.h"
#include "report/compare/compare.h"
#include "report/page/chart.h"
#include "report/page/html.h"
#include "report/sections/sections.h"

namespace salf::report {
namespace {

std::string step_words(Word word, std::int64_t step) {
  return words(text(word), {core::format_count(step)});
}

std::vector<Cell> loss_row(const std::string& name, const types::DevEvaluation& evaluation,
    const std::string& path, const std::optional<types::LossSummary>& summary) {
  std::string accuracy = "–";
  if (summary) {
    accuracy = percent(summary->accuracy.value, "", 3);
    if (std::isfinite(summary->accuracy_error))
      accuracy += " ± " + core::format_number(100.0 * core::kNormal95 * summary->accuracy_error, 2);
  }
  return {word_cell(name), {with_error(evaluation.loss, evaluation.standard_error, path + ".loss")},
      {number(std::exp(evaluation.loss), "", 4)}, {accuracy}};
}

// What the plan promised of these dev documents; nothing without a loss before.
std::optional<std::vector<Cell>> predicted_row(const types::FreezePlan& plan) {
  const types::Candidate* const chosen = plan.chosen();
  if (chosen == nullptr || !chosen->loss || !plan.loss_before) return std::nullopt;
  const auto& [value, low, high] = *chosen->loss;
  const std::string path =
      "run.plan.candidates[" + std::to_string(plan.candidates.place(*chosen)) + "].loss.";
  return std::vector<Cell>{word_cell(words(text(Word::kPredicted))),
      {number(value, path + "value", 4) + " (" + number(low, path + "low", 3) + " – " +
          number(high, path + "high", 3) + ")"},
      {number(std::exp(value), "", 4)}, {"–"}};
}

std::optional<types::LossSummary> summary_of(const std::optional<types::DocumentLosses>& losses) {
  if (!losses) return std::nullopt;
  return types::summarize(*losses);
}

// What tuning changed, paired over the dev split's documents.
std::string difference(const RunData& run) {
  if (!run.run->before || !run.run->best) return "";
  std::string out = "<b>" + words(text(Word::kDifference)) + "</b>: ";
  if (run.dev_losses && run.dev_losses->before && run.dev_losses->best) {
    const PairedDifference paired = paired_loss(*run.dev_losses->before, *run.dev_losses->best);
    if (paired.documents > 1) {
      out += with_error(paired.difference, paired.standard_error, "", 3) + "&ensp;" +
             words(text(Word::kPaired), {core::format_count(paired.documents)});
      return paragraph(out);
    }
  }
  return paragraph(out + number(run.run->best->loss - run.run->before->loss, "", 3));
}

std::string table_of(const RunData& run) {
  const types::RunRecord& record = *run.run;
  const auto before = run.dev_losses ? summary_of(run.dev_losses->before) : std::nullopt;
  const auto best = run.dev_losses ? summary_of(run.dev_losses->best) : std::nullopt;
  std::vector<std::vector<Cell>> rows;
  if (record.before)
    rows.push_back(loss_row(words(text(Word::kBefore)), *record.before, "run.before", before));
  if (auto predicted = predicted_row(record.plan)) rows.push_back(*std::move(predicted));
  if (record.best)
    rows.push_back(
        loss_row(step_words(Word::kAfter, record.best->step), *record.best, "run.best", best));
  if (record.after && (!record.best || record.after->step != record.best->step)) {
    rows.push_back(loss_row(
        step_words(Word::kLast, record.after->step), *record.after, "run.after", std::nullopt));
  }
  return table({"", words(text(Word::kDevLoss)), words(text(Word::kPerplexity)),
                   words(text(Word::kAccuracy))},
      rows);
}

// A value with its unit as people write it.
std::string gate_number(const types::Gate& gate, double value, const std::string& path) {
  switch (gate.metric) {
    case types::GateMetric::kSeconds: return seconds(value, path);
    case types::GateMetric::kDevAccuracy: return percent(value, path);
    case types::GateMetric::kPeakMemory:
      return datum(value, path,
          core::format_bytes(static_cast<std::uint64_t>(std::clamp(value, 0.0, 1e18))));
    case types::GateMetric::kDevLoss:
    case types::GateMetric::kLossIncrease: break;
  }
  return number(value, path);
}

std::string gates(const types::RunRecord& run) {
  const std::string heading = "<b>" + words(text(Word::kGates)) + "</b>: ";
  if (run.gates.empty()) return paragraph(heading + words(text(Word::kNoGates)), "why");
  std::vector<std::vector<Cell>> rows;
  for (std::size_t i = 0; i < run.gates.size(); ++i) {
    const types::Gate& gate = run.gates[i];
    const std::string path = "run.gates[" + std::to_string(i) + "]";
    const std::string name = "<code>" + escape(core::enum_to_string(gate.metric)) + "</code>" +
                             (gate.at_end ? tag(Word::kGateAtEnd) : "");
    rows.push_back({word_cell(name),
        {escape(core::enum_to_string(gate.comparison)) + "&nbsp;" +
            gate_number(gate, gate.limit, path + ".limit")},
        {gate.value ? gate_number(gate, *gate.value, path + ".value") : "–"},
        {integer(gate.step, path + ".step")},
        word_cell(
            "<b>" + words(text(gate.passed ? Word::kGatePassed : Word::kGateNotPassed)) + "</b>")});
  }
  return paragraph(heading + words(text(Word::kGatesNote)), "why") +
         table({words(text(Word::kGates)), words(text(Word::kGateLimit)),
                   words(text(Word::kGateValue)), words(text(Word::kGateStep)),
                   words(text(Word::kGateResult))},
             rows);
}

}  // namespace

std::string quality(const RunData& run, const Context& /*context*/) {
  if (!run.run || run.run->evaluations.empty()) {
    return paragraph(words(text(run.run ? Word::kNotEvaluated : Word::kNotRecorded))) +
           (run.run ? gates(*run.run) : "");
  }
  std::string out = table_of(run) + difference(run);
  const auto& evaluation = run.run->evaluations.back();
  if (!std::isfinite(evaluation.standard_error))
    out += paragraph(words(text(Word::kNoInterval)), "why");
  return out + gates(*run.run);
}

std::string loss_comparison(const std::vector<RunData>& runs) {
  Chart chart{text(Word::kArms), text(Word::kRun), text(Word::kDevLoss), {}, {}, {}};
  Series before{text(Word::kBefore), {}, {}, {}, {}, Shape::kPoints, 1, ""};
  Series best{text(Word::kDevSeries), {}, {}, {}, {}, Shape::kPoints, 0, ""};
  double place = 1.0;
  const auto add = [](Series& series, double x, const types::DevEvaluation& evaluation) {
    const double reach = core::kNormal95 * evaluation.standard_error;
    series.x.push_back(x);
    series.y.push_back(evaluation.loss);
    series.low.push_back(evaluation.loss - reach);
    series.high.push_back(evaluation.loss + reach);
  };
  for (const RunData& run : runs) {
    if (run.run && run.run->before) add(before, place - 0.06, *run.run->before);
    if (run.run && run.run->best) {
      add(best, place + 0.06, *run.run->best);
      chart.marks.push_back({place, {std::to_string(static_cast<int>(place)) + " " + run.name,
                                        std::to_string(static_cast<int>(place)) + " " + run.name}});
    }
    place += 1.0;
  }
  if (best.x.empty()) return "";
  chart.series = {before, best};
  return figure(chart);
}

}  // namespace salf::report
