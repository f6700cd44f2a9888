// The section Quality: loss and accuracy before and after the run, its gates and some answers.
#include <algorithm>
#include <cmath>
#include <sstream>

#include "core/statistics.h"
#include "core/text.h"
#include "report/compare/compare.h"
#include "report/page/html.h"
#include "report/sections/sections.h"

namespace salf::report {
namespace {

std::string step_words(Word word, std::int64_t step) {
  return words(word, {core::format_count(step)});
}

Row loss_row(const std::string& name, const types::DevEvaluation& evaluation,
    const std::string& path, const std::optional<types::DocumentLosses>* losses = nullptr) {
  std::string accuracy = "–";
  if (losses != nullptr && *losses) {
    const types::LossSummary summary = types::summarize(**losses);
    accuracy = percent(summary.accuracy.value, "", 3);
    if (std::isfinite(summary.accuracy_error))
      accuracy += " ± " + core::format_number(100.0 * core::kNormal95 * summary.accuracy_error, 2);
  }
  return {word_cell(name), with_error(evaluation.loss, evaluation.standard_error, path + ".loss"),
      number(std::exp(evaluation.loss), "", 4), accuracy};
}

// The loss that the plan predicted for the dev documents, where it did.
std::optional<Row> predicted_row(const types::FreezePlan& plan) {
  const types::Candidate* const chosen = plan.chosen();
  if (chosen == nullptr || !chosen->loss || !plan.loss_before) return std::nullopt;
  const auto& [value, low, high] = *chosen->loss;
  const std::string path =
      indexed("run.plan.candidates", plan.candidates.place(*chosen)) + ".loss.";
  return Row{Word::kPredicted,
      number(value, path + "value", 4) + " (" + number(low, path + "low", 3) + " – " +
          number(high, path + "high", 3) + ")",
      number(std::exp(value), "", 4), std::string("–")};
}

// The change of the loss, paired over the dev documents where both evaluations kept theirs.
std::string difference(const RunData& run) {
  if (!run.run->before || !run.run->best) return "";
  std::string out = "<b>" + words(Word::kDifference) + "</b>: ";
  if (run.dev_losses && run.dev_losses->before && run.dev_losses->best) {
    const PairedDifference paired = paired_loss(*run.dev_losses->before, *run.dev_losses->best);
    if (paired.documents > 1) {
      out += with_error(paired.difference, paired.standard_error, "", 3) + "&ensp;" +
             words(Word::kPaired, {core::format_count(paired.documents)});
      return paragraph(out);
    }
  }
  return paragraph(out + number(run.run->best->loss - run.run->before->loss, "", 3));
}

std::string loss_table(const RunData& run) {
  const types::RunRecord& record = *run.run;
  const types::DevLosses* const losses = run.dev_losses ? &*run.dev_losses : nullptr;
  Rows rows;
  if (record.before) {
    rows.push_back(loss_row(words(Word::kBefore), *record.before, "run.before",
        losses == nullptr ? nullptr : &losses->before));
  }
  if (const auto predicted = predicted_row(record.plan)) rows.push_back(*predicted);
  if (record.best) {
    rows.push_back(loss_row(step_words(Word::kAfter, record.best->step), *record.best, "run.best",
        losses == nullptr ? nullptr : &losses->best));
  }
  if (record.after && (!record.best || record.after->step != record.best->step))
    rows.push_back(
        loss_row(step_words(Word::kLast, record.after->step), *record.after, "run.after"));
  return table({Word::kNone, Word::kDevLoss, Word::kPerplexity, Word::kAccuracy}, rows);
}

// A value with its unit.
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
  const std::string title = "<b>" + words(Word::kGates) + "</b>: ";
  if (run.gates.empty()) return paragraph(title + words(Word::kNoGates), "why");
  Rows rows;
  for (std::size_t i = 0; i < run.gates.size(); ++i) {
    const types::Gate& gate = run.gates[i];
    const std::string path = indexed("run.gates", i);
    rows.push_back({word_cell(code(escape(core::enum_to_string(gate.metric))) +
                              (gate.at_end ? tag(Word::kGateAtEnd) : "")),
        escape(core::enum_to_string(gate.comparison)) + "&nbsp;" +
            gate_number(gate, gate.limit, path + ".limit"),
        gate.value ? gate_number(gate, *gate.value, path + ".value") : "–",
        integer(gate.step, path + ".step"),
        word_cell("<b>" + words(gate.passed ? Word::kGatePassed : Word::kGateNotPassed) + "</b>")});
  }
  return paragraph(title + words(Word::kGatesNote), "why") +
         table(
             {Word::kGates, Word::kGateLimit, Word::kGateValue, Word::kGateStep, Word::kGateResult},
             rows);
}

// Line by line, since escape() shows line ends as such.
std::string lines(const std::string& text) {
  std::string out;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);)
    out += (out.empty() ? "" : "<br>") + escape(line);
  return out.empty() ? "–" : out;
}

// The end of a prompt says what is asked.
std::string shortened_prompt(const std::string& prompt) {
  constexpr std::size_t kMost = 800;  // bytes
  if (prompt.size() <= kMost) return prompt;
  std::size_t begin = prompt.size() - kMost;
  while (begin < prompt.size() && (static_cast<unsigned char>(prompt[begin]) & 0xC0U) == 0x80U)
    ++begin;
  return "… " + prompt.substr(begin);
}

std::string answers(const types::RunAnswers& all) {
  Rows rows;
  for (const types::AnswerPair& pair : all.answers) {
    rows.push_back(
        {word_cell(lines(shortened_prompt(pair.prompt))), word_cell(lines(pair.reference)),
            word_cell(lines(pair.before)), word_cell(pair.after ? lines(*pair.after) : "–")});
  }
  if (rows.empty()) return "";
  return paragraph("<b>" + words(Word::kAnswers) +
                       "</b>: " + words(Word::kAnswersNote, {core::format_count(all.tokens)}),
             "why") +
         table({Word::kPromptCell, Word::kReferenceCell, Word::kAnswerBefore, Word::kAnswerAfter},
             rows);
}

std::string losses(const RunData& run) {
  const auto& evaluations = run.run->evaluations;
  if (evaluations.empty()) return paragraph(Word::kNotEvaluated);
  const bool interval = std::isfinite(evaluations.back().standard_error);
  return loss_table(run) + difference(run) + (interval ? "" : paragraph(Word::kNoInterval, "why"));
}

}  // namespace

std::string quality(const RunData& run, const Context& context) {
  if (!run.run) return paragraph(Word::kNotRecorded);
  const bool shown = run.answers && context.options.text;
  return losses(run) + gates(*run.run) + (shown ? answers(*run.answers) : "");
}

std::string loss_comparison(const std::vector<RunData>& runs) {
  Chart chart{text(Word::kArms), text(Word::kRun), text(Word::kDevLoss)};
  Series before{text(Word::kBefore), Shape::kPoints, 1};
  Series best{text(Word::kDevSeries), Shape::kPoints, 0};
  const auto add = [](Series& series, double x, const types::DevEvaluation& evaluation) {
    const double reach = core::kNormal95 * evaluation.standard_error;
    series.add(x, evaluation.loss);
    series.low.push_back(evaluation.loss - reach);
    series.high.push_back(evaluation.loss + reach);
  };
  for (std::size_t i = 0; i < runs.size(); ++i) {
    const RunData& run = runs[i];
    const auto place = static_cast<double>(i + 1);
    if (run.run && run.run->before) add(before, place - 0.06, *run.run->before);
    if (run.run && run.run->best) {
      add(best, place + 0.06, *run.run->best);
      chart.marks.push_back({place, same(std::to_string(i + 1) + " " + run.name)});
    }
  }
  if (best.x.empty()) return "";
  chart.series = {before, best};
  return figure(chart);
}

}  // namespace salf::report
