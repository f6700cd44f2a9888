// The section Budget's second part: time, memory and loss of every candidate, what each aim would
// do, and whether the run kept what its plan promised.
#include <cmath>

#include "core/text.h"
#include "report/page/html.h"
#include "report/promise.h"
#include "report/sections/sections.h"

namespace salf::report {
namespace {

using types::Aim;
using types::AimChoice;
using types::Candidate;
using types::FreezePlan;

using Figure = double (*)(const Candidate&);

double time_of(const Candidate& one) { return one.seconds; }
double gigabytes_of(const Candidate& one) {
  return one.memory_bytes.value_or(std::nan("")) / (1024.0 * 1024.0 * 1024.0);
}

Word aim_word(Aim aim) {
  switch (aim) {
    case Aim::kCheapest: return Word::kAimCheapest;
    case Aim::kSmallest: return Word::kAimSmallest;
    case Aim::kBest: break;
  }
  return Word::kAimBest;
}

Series method_series(const FreezePlan& plan, types::Method method, Figure figure) {
  const bool lora = method == types::Method::kLora;
  Series series{
      report::text(lora ? Word::kLoraAbove : Word::kWholeBlocks), Shape::kPoints, lora ? 1 : 0};
  for (const Candidate& one : plan.candidates.of(method)) {
    if (one.fits && one.loss && std::isfinite(figure(one)))
      series.add(figure(one), one.loss->value);
  }
  return series;
}

std::string curve(const FreezePlan& plan, Word title, Word axis, Figure figure) {
  Chart chart{text(title), text(axis), text(plan.loss_before ? Word::kLossAxis : Word::kLossShare)};
  for (const types::Method method : {types::Method::kBlocks, types::Method::kLora}) {
    Series series = method_series(plan, method, figure);
    if (!series.x.empty()) chart.series.push_back(std::move(series));
  }
  const Candidate* const chosen = plan.chosen();
  if (chart.series.empty() || chosen == nullptr || !chosen->loss) return "";
  Series here{text(Word::kChosenHere), Shape::kPoints, 2};
  here.add(figure(*chosen), chosen->loss->value);
  chart.series.push_back(std::move(here));
  return report::figure(chart);
}

std::string trained(const AimChoice& choice) {
  const bool lora = choice.arm == types::Arm::kLora;
  if (choice.cut == 0) return words(lora ? Word::kLoraOnAllBlocks : Word::kEverything);
  return words(lora ? Word::kLoraAboveCut : Word::kBlocksAboveCut, {std::to_string(choice.cut)});
}

std::string aims_table(const FreezePlan& plan) {
  Rows rows;
  for (const AimChoice& choice : plan.aims) {
    Row row{word_cell(
        words(aim_word(choice.aim)) + (choice.aim == plan.aim ? tag(Word::kChosenHere) : ""))};
    if (choice.fits) {
      row.push_back(word_cell(trained(choice)));
      row.push_back(core::format_count(choice.steps));
      row.push_back(seconds(choice.seconds, ""));
      row.push_back(choice.memory_bytes ? bytes(static_cast<std::int64_t>(*choice.memory_bytes), "")
                                        : std::string("–"));
      row.push_back(choice.loss ? number(choice.loss->value, "") : std::string("–"));
    } else {
      row.push_back(word_cell(words(Word::kBuysNothing)));
      row.resize(6, std::string("–"));
    }
    rows.push_back(std::move(row));
  }
  return table({Word::kAim, Word::kTrainedPart, Word::kStepsAxis, Word::kTime, Word::kMemory,
                   Word::kPredictedLoss},
      rows);
}

std::string promise(const RunData& run, const FreezePlan& plan) {
  const std::optional<Promise> made = promise_of(plan);
  if (!made) return "";
  const std::string limit = number(made->limit, plan_path(run, "max_loss_increase"));
  const std::string reference = number(made->reference, plan_path(run, "reference_loss"));
  std::string out = paragraph(Word::kPromise, {limit, reference});
  if (!run.run || !run.run->best) return out;
  const types::DevEvaluation& best = *run.run->best;
  const bool kept = made->kept(best.loss);
  return out + paragraph(kept ? Word::kPromiseKept : Word::kPromiseBroken,
                   {with_error(best.loss, best.standard_error, "run.best.loss"),
                       number(best.loss - made->reference, "")},
                   kept ? "" : "bad");
}

}  // namespace

std::string aims(const RunData& run, const FreezePlan& plan) {
  if (plan.aims.empty()) return "";
  return aims_table(plan) + paragraph(Word::kAimsNote, "why") + promise(run, plan) +
         figures(curve(plan, Word::kLossAgainstTime, Word::kSecondsAxis, time_of) +
                 curve(plan, Word::kLossAgainstMemory, Word::kGibAxis, gigabytes_of));
}

}  // namespace salf::report
