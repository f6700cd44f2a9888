// Run: loss, learning rate and throughput over its steps.
#include <cmath>

#include "core/text.h"
#include "report/page/chart.h"
#include "report/page/html.h"
#include "report/page/thin.h"
#include "report/sections/sections.h"

namespace salf::report {
namespace {

const char* const kFullStop = "<span lang=\"en\">. </span><span lang=\"ja\">。</span>";

constexpr std::size_t kMostPoints = 240;

std::vector<double> column(const Metrics& metrics, double (*value)(const StepPoint&)) {
  std::vector<double> values;
  for (const StepPoint& point : metrics.steps) values.push_back(value(point));
  return values;
}

double step_of(const StepPoint& point) { return static_cast<double>(point.step); }

Text filled(Word word, std::size_t number) {
  Text filled_text = text(word);
  for (std::string* part : {&filled_text.en, &filled_text.ja}) {
    const auto place = part->find("{0}");
    if (place != std::string::npos) part->replace(place, 3, std::to_string(number));
  }
  return filled_text;
}

void add_cooldown(const RunData& run, Chart& chart) {
  if (!run.run || !run.run->cooldown_start_step || *run.run->cooldown_start_step > run.run->steps)
    return;
  chart.marks.push_back(
      {static_cast<double>(*run.run->cooldown_start_step), text(Word::kCooldown)});
}

std::string loss_figure(const RunData& run) {
  Chart chart{text(Word::kLossCurve), text(Word::kStepAxis), text(Word::kLossAxis), {}, {}, {}};
  const Thinned loss = thin(column(run.metrics, step_of),
      column(run.metrics, [](const StepPoint& point) { return point.loss; }), kMostPoints);
  Series series{loss.size == 1 ? text(Word::kTrainLoss) : filled(Word::kTrainLossMean, loss.size),
      loss.x, loss.mean, {}, {}, Shape::kLine, 0, ""};
  if (loss.size > 1) {
    series.low = loss.low;
    series.high = loss.high;
  }
  if (!series.x.empty()) chart.series.push_back(std::move(series));
  Series dev{text(Word::kDevSeries), {}, {}, {}, {}, Shape::kPoints, 1, ""};
  for (const DevPoint& point : run.metrics.evaluations) {
    dev.x.push_back(static_cast<double>(point.step));
    dev.y.push_back(point.loss);
  }
  if (!dev.x.empty()) chart.series.push_back(std::move(dev));
  add_cooldown(run, chart);
  return figure(chart);
}

std::string simple_figure(
    const RunData& run, Word title, Word axis, int colour, const std::vector<double>& values) {
  Chart chart{text(title), text(Word::kStepAxis), text(axis), {}, {}, {}};
  chart.from_zero = true;
  const Thinned points = thin(column(run.metrics, step_of), values, kMostPoints);
  chart.series.push_back({text(axis), points.x, points.mean, {}, {}, Shape::kLine, colour, ""});
  return figure(chart);
}

std::vector<double> throughput(const Metrics& metrics) {
  std::vector<double> values;
  std::int64_t before = 0;
  for (const StepPoint& point : metrics.steps) {
    values.push_back(point.seconds > 0.0
                         ? static_cast<double>(point.tokens - before) / point.seconds
                         : std::nan(""));
    before = point.tokens;
  }
  return values;
}

std::string summary(const types::RunRecord& record) {
  return paragraph(words(text(Word::kRunLine),
      {integer(record.steps, "run.steps"), integer(record.plan.steps, "run.plan.steps"),
          number(record.epochs, "run.epochs", 3), integer(record.tokens, "run.tokens"),
          integer(record.supervised_tokens, "run.supervised_tokens"),
          number(record.tokens_per_second, "run.tokens_per_second", 4)}));
}

std::string evaluations(const types::RunRecord& record) {
  std::vector<std::vector<Cell>> rows;
  for (std::size_t i = 0; i < record.evaluations.size(); ++i) {
    const types::DevEvaluation& evaluation = record.evaluations[i];
    const std::string path = "run.evaluations[" + std::to_string(i) + "]";
    rows.push_back({{integer(evaluation.step, path + ".step")},
        {with_error(evaluation.loss, evaluation.standard_error, path + ".loss")},
        {seconds(evaluation.seconds, path + ".seconds")}});
  }
  if (rows.empty()) return "";
  return folded(
      text(Word::kEvaluation), table({words(text(Word::kStepAxis)), words(text(Word::kDevLoss)),
                                         words(text(Word::kSecondsAxis))},
                                   rows));
}

Word choice_word(types::StageChoice choice) {
  if (choice == types::StageChoice::kNext) return Word::kStageWentOn;
  return choice == types::StageChoice::kStay ? Word::kStageStayed : Word::kStageEnded;
}

std::string stages(const types::RunRecord& record) {
  const auto loss = [](const std::optional<double>& value, const std::string& path) {
    return value ? number(*value, path, 4) : std::string();
  };
  std::vector<std::vector<Cell>> rows;
  for (std::size_t i = 0; i < record.stages.size(); ++i) {
    const types::StageRecord& stage = record.stages[i];
    const std::string path = "run.stages[" + std::to_string(i) + "]";
    const auto& measured = stage.evaluation;
    rows.push_back({{integer(static_cast<std::int64_t>(i) + 1, "")},
        {integer(stage.cut, path + ".eof")}, {integer(stage.steps, path + ".steps")},
        {seconds(stage.seconds, path + ".seconds")},
        {number(stage.learning_rate, path + ".learning_rate", 3)},
        {measured ? with_error(measured->loss, measured->standard_error, path + ".evaluation.loss")
                  : std::string()},
        {loss(stage.decision.loss_staying, path + ".decision.loss_staying")},
        {loss(stage.decision.loss_next, path + ".decision.loss_next")},
        word_cell(words(text(choice_word(stage.decision.choice))))});
  }
  return paragraph(words(text(Word::kStages)), "why") +
         table({words(text(Word::kStage)), words(text(Word::kCut)), words(text(Word::kStageSteps)),
                   words(text(Word::kSecondsAxis)), words(text(Word::kRateAxis)),
                   words(text(Word::kDevLoss)), words(text(Word::kStageStay)),
                   words(text(Word::kStageNext)), words(text(Word::kStageDecision))},
             rows);
}

std::string pilot(const types::PilotRecord& pilot) {
  std::string out = paragraph(
      words(text(Word::kPilot), {integer(pilot.documents, "run.pilot.documents"),
                                    integer(pilot.all_documents, "run.pilot.all_documents"),
                                    percent(pilot.share, "run.pilot.share"),
                                    seconds(pilot.full_seconds, "run.pilot.full_seconds"),
                                    integer(pilot.full_steps, "run.pilot.full_steps"),
                                    integer(pilot.full_cut, "run.pilot.full_eof")}));
  if (!pilot.pace || !pilot.full_seconds_at_pace || !pilot.full_steps_at_pace) return out;
  return out + paragraph(words(text(Word::kPilotPace),
                   {number(*pilot.pace, "run.pilot.pace", 3),
                       seconds(*pilot.full_seconds_at_pace, "run.pilot.full_seconds_at_pace"),
                       integer(*pilot.full_steps_at_pace, "run.pilot.full_steps_at_pace")}));
}

}  // namespace

std::string progress(const RunData& run, const Context& /*context*/) {
  if (!run.run) return paragraph(words(text(Word::kNotRecorded)));
  std::string out;
  if (run.run->status != types::RunStatus::kRunning) out += summary(*run.run);
  const bool staged = !run.run->stages.empty();
  out += paragraph(words(rule_text(run.run->status)) + kFullStop +
                       (staged ? std::string() : words(text(Word::kOneStage))),
      "why");
  if (staged) out += stages(*run.run);
  if (run.run->pilot) out += pilot(*run.run->pilot);
  if (run.metrics.steps.empty()) {
    out += paragraph(words(text(Word::kNoMetrics)));
  } else {
    const auto rates =
        column(run.metrics, [](const StepPoint& point) { return point.learning_rate; });
    out +=
        "<div class=\"figures\">" + loss_figure(run) +
        simple_figure(run, Word::kRateCurve, Word::kRateAxis, 2, rates) +
        simple_figure(run, Word::kThroughput, Word::kTokensPerSecond, 3, throughput(run.metrics)) +
        "</div>";
  }
  return out + evaluations(*run.run);
}

}  // namespace salf::report
