// Budget: every depth's price, and what half and twice as much would buy.
#include "types/budget.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "core/text.h"
#include "report/page/chart.h"
#include "report/page/html.h"
#include "report/sections/sections.h"

namespace salf::report {
namespace {

using types::BudgetKind;
using types::Candidate;
using types::FreezePlan;

// What a step costs, and what is spent whatever their number is, in the budget's unit. Nothing for
// counts.
struct Price {
  double step = 0.0, rest = 0.0, amount = 0.0;
};

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

// The shallowest cut with at least so many steps, as the number of trained blocks; 0: none.
std::int64_t deepest(const FreezePlan& plan, double factor, double least) {
  for (const Candidate& candidate : plan.candidates.of(plan.method())) {
    if (affordable(plan, candidate, factor) >= least) return plan.shape.blocks - candidate.cut;
  }
  return 0;
}

std::string what_it_buys(const FreezePlan& plan) {
  const Candidate& chosen = *plan.chosen();
  const double least = std::max(1.0, std::min(50.0, static_cast<double>(plan.steps)));
  std::vector<Cell> steps{word_cell(words(text(Word::kBuysSteps)))};
  std::vector<Cell> depth{word_cell(words(text(Word::kBuysDeepest), {core::format_number(least)}))};
  for (const double factor : {0.5, 1.0, 2.0}) {
    const double count =
        factor == 1.0 ? static_cast<double>(plan.steps) : affordable(plan, chosen, factor);
    steps.push_back({core::format_count(static_cast<std::int64_t>(std::min(count, 9e15)))});
    const std::int64_t blocks = deepest(plan, factor, least);
    depth.push_back({blocks > 0 ? core::format_count(blocks) : words(text(Word::kBuysNothing))});
  }
  return table({"", words(text(Word::kHalf)), words(text(Word::kThis)), words(text(Word::kTwice))},
             {steps, depth}) +
         paragraph(words(text(Word::kBuysNote)), "why");
}

std::string curve(const FreezePlan& plan, bool steps) {
  Chart chart{text(steps ? Word::kStepsCurve : Word::kStepSecondsCurve), text(Word::kCutAxis),
      text(steps ? Word::kStepsAxis : Word::kSecondsAxis), {}, {}, {}};
  chart.from_zero = true;
  Series series{chart.y_label, {}, {}, {}, {}, Shape::kLine, steps ? 0 : 1, ""};
  const auto height = [steps](const Candidate& candidate) {
    return steps ? static_cast<double>(candidate.steps) : candidate.step_seconds;
  };
  for (const Candidate& candidate : plan.candidates.of(plan.method())) {
    series.x.push_back(static_cast<double>(candidate.cut));
    series.y.push_back(height(candidate));
  }
  const auto place = static_cast<double>(plan.cut);
  Series point{text(Word::kChosenHere), {place}, {height(*plan.chosen())}, {}, {}, Shape::kPoints,
      steps ? 0 : 1, ""};
  chart.series = {std::move(series), std::move(point)};
  chart.marks.push_back({place,
      {text(Word::kCut).en + " " + std::to_string(plan.cut),
          text(Word::kCut).ja + " " + std::to_string(plan.cut)},
      true});
  return figure(chart);
}

}  // namespace

std::string budget(const RunData& run, const Context& /*context*/) {
  if (!run.plan) return paragraph(words(text(Word::kNoPlan)));
  const FreezePlan& plan = *run.plan;
  std::string out = paragraph(words(text(Word::kBudgetLine),
      {"<b>" + escape(types::format_budget(plan.budget)) + "</b>",
          seconds(plan.predicted_seconds.total(), ""), flops(plan.predicted_flops.total(), "")}));
  if (plan.chosen() == nullptr) return out;
  out += what_it_buys(plan);
  return out + "<div class=\"figures\">" + curve(plan, true) + curve(plan, false) + "</div>";
}

}  // namespace salf::report
