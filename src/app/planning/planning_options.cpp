#include "app/planning/planning_options.h"

#include "app/session/model_options.h"

namespace salf::app {

std::vector<std::string> PlanningOptions::problems() const {
  std::vector<std::string> problems;
  if (cut && rule != PlanningOptions{}.rule && rule != types::Rule::kFixed) {
    problems.push_back(
        "--eof " + std::to_string(*cut) + " contradicts --rule " + core::enum_to_string(rule));
  }
  if (!cut && rule == types::Rule::kFixed) problems.emplace_back("--rule fixed needs --eof N");
  if (!trials.empty() && (cut || rule != types::Rule::kPredicted)) {
    problems.emplace_back(
        "--trials serves the prediction, which does not choose here: leave out --eof and --rule");
  }
  attempt(problems, [this] { parsed_budget(); });
  if (!max_memory.empty()) attempt(problems, [this] { types::parse_bytes(max_memory); });
  if (!max_loss_increase.empty())
    attempt(problems, [this] { types::parse_loss_increase(max_loss_increase); });
  if (aim == types::Aim::kBest && !max_loss_increase.empty())
    problems.emplace_back("--max-loss-increase has no meaning for --aim best");
  if (wanted_aim() != types::Aim::kBest && (cut || rule != types::Rule::kPredicted)) {
    problems.emplace_back(
        "--aim and --max-loss-increase choose the cut themselves: leave out --eof and --rule");
  }
  for (auto& problem : rates.problems()) problems.push_back(std::move(problem));
  return problems;
}

types::Budget PlanningOptions::parsed_budget() const {
  if (budget.empty()) return {max_epochs, types::BudgetUnit::kEpochs};
  return types::parse_budget(budget);
}

types::Aim PlanningOptions::wanted_aim() const {
  return aim.value_or(max_loss_increase.empty() ? types::Aim::kBest : types::Aim::kCheapest);
}

policy::Limits PlanningOptions::limits(const std::optional<std::int64_t>& settled_cut) const {
  policy::Limits limits;
  limits.rule = settled_cut ? types::Rule::kFixed : rule;
  limits.measure = measure;
  limits.parameters.tau = tau;
  limits.parameters.fixed = settled_cut.value_or(0);
  limits.parameters.fraction = fraction;
  limits.min_steps = min_steps;
  limits.max_epochs = max_epochs;
  limits.stages = stages;
  limits.learning_rate = learning_rate;
  if (!max_memory.empty()) limits.max_memory_bytes = types::parse_bytes(max_memory);
  limits.aim = wanted_aim();
  if (!max_loss_increase.empty())
    limits.max_loss_increase = types::parse_loss_increase(max_loss_increase);
  return limits;
}

}  // namespace salf::app
