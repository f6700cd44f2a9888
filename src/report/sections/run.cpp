// The section Run: loss, learning rate and throughput over the steps, stages and evaluations.
#include <cmath>
#include <utility>

#include "report/page/html.h"
#include "report/sections/sections.h"

namespace salf::report {
namespace {

const char* const kFullStop = "<span lang=\"en\">. </span><span lang=\"ja\">。</span>";

constexpr std::size_t kMostPoints = 240;

// `value` of each step.
template <class Value> Thinned thinned(const Metrics& metrics, Value value) {
  std::vector<double> x, y;
  for (const StepPoint& point : metrics.steps) {
    x.push_back(static_cast<double>(point.step));
    y.push_back(value(point));
  }
  return thin(x, y, kMostPoints);
}

std::string loss_figure(const RunData& run) {
  Chart chart{text(Word::kLossCurve), text(Word::kStepAxis), text(Word::kLossAxis)};
  const Thinned loss = thinned(run.metrics, [](const StepPoint& point) { return point.loss; });
  const bool joined = loss.size > 1;
  Series series{joined ? filled(text(Word::kTrainLossMean), {std::to_string(loss.size)})
                       : text(Word::kTrainLoss),
      Shape::kLine, 0, loss.x, loss.mean};
  if (joined) {
    series.low = loss.low;
    series.high = loss.high;
  }
  Series dev{text(Word::kDevSeries), Shape::kPoints, 1};
  for (const DevPoint& point : run.metrics.evaluations)
    dev.add(static_cast<double>(point.step), point.loss);
  for (const Series& shown : {series, dev}) {
    if (!shown.x.empty()) chart.series.push_back(shown);
  }
  const std::optional<std::int64_t>& cooldown = run.run->cooldown_start_step;
  if (cooldown && *cooldown <= run.run->steps)
    chart.marks.push_back({static_cast<double>(*cooldown), text(Word::kCooldown)});
  return figure(chart);
}

std::string simple_figure(Word title, Word axis, int colour, const Thinned& points) {
  Chart chart{text(title), text(Word::kStepAxis), text(axis)};
  chart.from_zero = true;
  chart.series = {Series{text(axis), Shape::kLine, colour, points.x, points.mean}};
  return figure(chart);
}

// Tokens a second of each step; NaN for a step without a duration.
Thinned throughput(const Metrics& metrics) {
  return thinned(metrics, [before = std::int64_t{0}](const StepPoint& point) mutable {
    const auto tokens = static_cast<double>(point.tokens - std::exchange(before, point.tokens));
    return point.seconds > 0.0 ? tokens / point.seconds : std::nan("");
  });
}

std::string summary(const types::RunRecord& record) {
  return paragraph(Word::kRunLine,
      {integer(record.steps, "run.steps"), integer(record.plan.steps, "run.plan.steps"),
          number(record.epochs, "run.epochs", 3), integer(record.tokens, "run.tokens"),
          integer(record.supervised_tokens, "run.supervised_tokens"),
          number(record.tokens_per_second, "run.tokens_per_second", 4)});
}

std::string evaluations(const types::RunRecord& record) {
  if (record.evaluations.empty()) return "";
  Rows rows;
  for (std::size_t i = 0; i < record.evaluations.size(); ++i) {
    const types::DevEvaluation& evaluation = record.evaluations[i];
    const std::string path = indexed("run.evaluations", i);
    rows.push_back({integer(evaluation.step, path + ".step"),
        with_error(evaluation.loss, evaluation.standard_error, path + ".loss"),
        seconds(evaluation.seconds, path + ".seconds")});
  }
  return folded(
      text(Word::kEvaluation), table({Word::kStepAxis, Word::kDevLoss, Word::kSecondsAxis}, rows));
}

Word choice_word(types::StageChoice choice) {
  if (choice == types::StageChoice::kNext) return Word::kStageWentOn;
  return choice == types::StageChoice::kStay ? Word::kStageStayed : Word::kStageEnded;
}

std::string stages(const types::RunRecord& record) {
  const auto loss = [](const std::optional<double>& value, const std::string& path) {
    return value ? number(*value, path, 4) : std::string();
  };
  Rows rows;
  for (std::size_t i = 0; i < record.stages.size(); ++i) {
    const types::StageRecord& stage = record.stages[i];
    const std::string path = indexed("run.stages", i);
    const auto& measured = stage.evaluation;
    rows.push_back({integer(static_cast<std::int64_t>(i) + 1, ""),
        integer(stage.cut, path + ".eof"), integer(stage.steps, path + ".steps"),
        seconds(stage.seconds, path + ".seconds"),
        number(stage.learning_rate, path + ".learning_rate", 3),
        measured ? with_error(measured->loss, measured->standard_error, path + ".evaluation.loss")
                 : std::string(),
        loss(stage.decision.loss_staying, path + ".decision.loss_staying"),
        loss(stage.decision.loss_next, path + ".decision.loss_next"),
        choice_word(stage.decision.choice)});
  }
  return paragraph(Word::kStages, "why") +
         table({Word::kStage, Word::kCut, Word::kStageSteps, Word::kSecondsAxis, Word::kRateAxis,
                   Word::kDevLoss, Word::kStageStay, Word::kStageNext, Word::kStageDecision},
             rows);
}

std::string pilot(const types::PilotRecord& pilot) {
  const std::string out =
      paragraph(Word::kPilot, {integer(pilot.documents, "run.pilot.documents"),
                                  integer(pilot.all_documents, "run.pilot.all_documents"),
                                  percent(pilot.share, "run.pilot.share"),
                                  seconds(pilot.full_seconds, "run.pilot.full_seconds"),
                                  integer(pilot.full_steps, "run.pilot.full_steps"),
                                  integer(pilot.full_cut, "run.pilot.full_eof")});
  if (!pilot.pace || !pilot.full_seconds_at_pace || !pilot.full_steps_at_pace) return out;
  return out + paragraph(Word::kPilotPace,
                   {number(*pilot.pace, "run.pilot.pace", 3),
                       seconds(*pilot.full_seconds_at_pace, "run.pilot.full_seconds_at_pace"),
                       integer(*pilot.full_steps_at_pace, "run.pilot.full_steps_at_pace")});
}

}  // namespace

std::string progress(const RunData& run, const Context& /*context*/) {
  if (!run.run) return paragraph(Word::kNotRecorded);
  const types::RunRecord& record = *run.run;
  const bool staged = !record.stages.empty();
  std::string out = record.status == types::RunStatus::kRunning ? "" : summary(record);
  out += paragraph(
      words(status_word(record.status)) + kFullStop + (staged ? "" : words(Word::kOneStage)),
      "why");
  if (staged) out += stages(record);
  if (record.pilot) out += pilot(*record.pilot);
  if (run.metrics.steps.empty()) {
    out += paragraph(Word::kNoMetrics);
  } else {
    const auto rate = [](const StepPoint& point) { return point.learning_rate; };
    out += figures(
        loss_figure(run) +
        simple_figure(Word::kRateCurve, Word::kRateAxis, 2, thinned(run.metrics, rate)) +
        simple_figure(Word::kThroughput, Word::kTokensPerSecond, 3, throughput(run.metrics)));
  }
  return out + evaluations(record);
}

}  // namespace salf::report
