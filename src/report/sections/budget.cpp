// The section Budget: the price of each cut, and what half and twice the budget would pay for.

#include <algorithm>
#include <cmath>

#include "core/text.h"
#include "report/page/html.h"
#include "report/sections/sections.h"

namespace salf::report {
namespace {

using types::BudgetKind;
using types::Candidate;
using types::FreezePlan;

// In the budget's unit: the price of a step, what does not depend on the steps, and the budget.
struct Price {
  double step = 0.0, rest = 0.0, amount = 0.0;
};

// Nothing for budgets in steps, tokens or epochs.
std::optional<Price> price(const FreezePlan& plan, const Candidate& candidate) {
  Price price;
  if (plan.budget.kind() == BudgetKind::kClock) {
    price = {candidate.step_seconds,
        candidate.seconds - candidate.step_seconds * static_cast<double>(candidate.steps),
        plan.budget.amount};
  } else if (plan.budget.kind() == BudgetKind::kWork) {
    const double whole = plan.budget_flops > 0.0 ? plan.budget_flops : plan.budget.amount;
    price = {candidate.step_flops, 0.0, whole};
  } else {
    return std::nullopt;
  }
  if (!(price.step > 0.0)) return std::nullopt;
  price.rest = std::max(0.0, price.rest);
  return price;
}

// Steps that `factor` times the budget pays for.
double affordable(const FreezePlan& plan, const Candidate& candidate, double factor) {
  const std::optional<Price> cost = price(plan, candidate);
  if (!cost) return std::floor(factor * static_cast<double>(candidate.steps));
  return std::max(0.0, std::floor((factor * cost->amount - cost->rest) / cost->step));
}

// The number of blocks trained at the shallowest cut with at least `least` steps; 0 without one.
std::int64_t most_trained(const FreezePlan& plan, double factor, double least) {
  for (const Candidate& candidate : plan.candidates.of(plan.method())) {
    if (affordable(plan, candidate, factor) >= least) return plan.shape.blocks - candidate.cut;
  }
  return 0;
}

std::string purchases(const FreezePlan& plan) {
  const Candidate& chosen = *plan.chosen();
  const double least = std::max(1.0, std::min(50.0, static_cast<double>(plan.steps)));
  Row steps{Word::kBuysSteps};
  Row depth{word_cell(words(Word::kBuysDeepest, {core::format_number(least)}))};
  for (const double factor : {0.5, 1.0, 2.0}) {
    const double count =
        factor == 1.0 ? static_cast<double>(plan.steps) : affordable(plan, chosen, factor);
    steps.push_back(core::format_count(static_cast<std::int64_t>(std::min(count, 9e15))));
    const std::int64_t blocks = most_trained(plan, factor, least);
    depth.push_back(blocks > 0 ? core::format_count(blocks) : words(Word::kBuysNothing));
  }
  return table({Word::kNone, Word::kHalf, Word::kThis, Word::kTwice}, {steps, depth}) +
         paragraph(Word::kBuysNote, "why");
}

std::string curve(const FreezePlan& plan, bool steps) {
  Chart chart{text(steps ? Word::kStepsCurve : Word::kStepSecondsCurve), text(Word::kCutAxis),
      text(steps ? Word::kStepsAxis : Word::kSecondsAxis)};
  chart.from_zero = true;
  Series series{chart.y_label, Shape::kLine, steps ? 0 : 1};
  for (const Candidate& candidate : plan.candidates.of(plan.method())) {
    series.add(static_cast<double>(candidate.cut),
        steps ? static_cast<double>(candidate.steps) : candidate.step_seconds);
  }
  Series chosen{text(Word::kChosenHere), Shape::kPoints, series.colour};
  const Candidate& picked = *plan.chosen();
  chosen.add(static_cast<double>(plan.cut),
      steps ? static_cast<double>(picked.steps) : picked.step_seconds);
  chart.series = {std::move(series), std::move(chosen)};
  chart.marks.push_back(cut_mark(plan.cut));
  return figure(chart);
}

std::string forecast(const RunData& run, const types::Scale& scale) {
  Rows rows;
  for (std::size_t i = 0; i < scale.rows.size(); ++i) {
    const types::RankForecast& row = scale.rows[i];
    const std::string path = plan_path(run, indexed("scale.rows", i));
    rows.push_back(
        {core::format_count(row.ranks), seconds(row.step_seconds, path + ".step_seconds"),
            number(row.tokens_per_second, path + ".tokens_per_second", 4),
            number(row.efficiency, path + ".efficiency", 3),
            row.memory_bytes ? bytes(static_cast<std::int64_t>(*row.memory_bytes), "") : "–",
            bytes(static_cast<std::int64_t>(row.sent_bytes), "")});
  }
  return paragraph(Word::kScaleLine, {escape(scale.link)}) +
         table({Word::kRanks, Word::kStepTime, Word::kTokensPerSecond, Word::kEfficiency,
                   Word::kRankMemory, Word::kSent},
             rows);
}

}  // namespace

std::string budget(const RunData& run, const Context& /*context*/) {
  if (!run.plan) return paragraph(Word::kNoPlan);
  const FreezePlan& plan = *run.plan;
  const bool timed = plan.predicted_seconds.total() > 0.0;
  std::string out = paragraph(timed ? Word::kBudgetLine : Word::kBudgetLineUntimed,
      {"<b>" + escape(types::format_budget(plan.budget)) + "</b>",
          flops(plan.predicted_flops.total(), ""), seconds(plan.predicted_seconds.total(), "")});
  const std::int64_t ranks = plan.shards.value_or(1);
  if (ranks > 1) out += paragraph(Word::kRanksBudget, {core::format_count(ranks)});
  if (plan.scale) out += forecast(run, *plan.scale);
  if (plan.chosen() == nullptr) return out;
  return out + purchases(plan) +
         figures(curve(plan, true) + (timed ? curve(plan, false) : std::string())) +
         aims(run, plan);
}

}  // namespace salf::report
