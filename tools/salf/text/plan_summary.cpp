#include <algorithm>
#include <vector>

#include "core/log.h"
#include "core/text.h"
#include "text/plan_text.h"
#include "types/budget.h"

namespace salf::tools {
namespace {

constexpr std::size_t kNarrowest = 40;

std::string bytes_text(double bytes) {
  return core::format_bytes(static_cast<std::uint64_t>(bytes));
}

std::string stages_text(const types::FreezePlan& plan) {
  std::vector<std::string> cuts;
  for (const std::int64_t cut : plan.stages) cuts.push_back(std::to_string(cut));
  return "frozen blocks " + core::join(cuts, ", then ") +
         ", as long as the next is predicted to pay";
}

std::string limits_text(const types::FreezePlan& plan) {
  std::string text = types::format_budget(plan.budget);
  if (plan.budget.seconds > 0.0)
    text += ", " + core::format_seconds(plan.budget.seconds) + " at these rates";
  if (plan.max_memory_bytes) text += ", memory " + bytes_text(*plan.max_memory_bytes);
  if (plan.max_loss_increase) text += ", loss +" + core::format_number(*plan.max_loss_increase);
  return text;
}

std::string steps_text(const types::FreezePlan& plan) {
  return core::format_count(plan.steps) + " (" + core::format_number(plan.epochs, 3) + " epochs, " +
         core::format_count(plan.tokens) + " tokens), learning rate " +
         core::format_number(plan.learning_rate, 3);
}

std::string cost_text(const types::FreezePlan& plan) {
  const std::string seconds = plan.cost.timed_batches > 0
                                  ? core::format_seconds(plan.predicted_seconds.total())
                                  : "no time, since no step was timed";
  return seconds + ", " + core::format_flops(plan.predicted_flops.total()) +
         (plan.memory_bytes ? ", " + bytes_text(*plan.memory_bytes) + " of memory" : "");
}

std::string step_text(const types::FreezePlan& plan, double seconds) {
  const bool full_is_lora = plan.candidates.full().arm == types::Arm::kLora;
  return core::format_number(seconds, 3) + " s, " +
         (full_is_lora ? "LoRA on all blocks " : "full fine-tuning ") +
         core::format_number(plan.full_step_seconds, 3) + " s (" +
         core::format_number(plan.full_step_seconds / seconds, 3) + " times)";
}

std::string ranks_text(const types::FreezePlan& plan) {
  const std::int64_t each = plan.accumulate / *plan.shards;
  return core::format_count(*plan.shards) + ", each with its own part of the rows and " +
         core::format_count(each) + (each == 1 ? " batch" : " batches") + " of every step";
}

std::string energy_text(double joules) {
  if (joules >= 3.6e6) return core::format_number(joules / 3.6e6, 3) + " kWh";
  if (joules >= 3.6e3) return core::format_number(joules / 3.6e3, 3) + " Wh";
  return core::format_number(joules, 3) + " J";
}

}  // namespace

std::string footprint_text(const types::Footprint& footprint) {
  std::string text = footprint.energy_joules ? energy_text(*footprint.energy_joules) + " " +
                                                   core::enum_to_string(footprint.source)
                                             : std::string("energy not known");
  if (footprint.gco2) text += ", " + core::format_number(*footprint.gco2, 3) + " g CO2";
  if (footprint.money)
    text += ", " + core::format_number(*footprint.money, 3) + " " +
            core::printable(footprint.currency, 8);
  return text;
}

std::string plan_summary(const types::FreezePlan& plan, std::size_t width) {
  std::string text;
  const auto add = [&](const char* name, const std::string& value) {
    std::string shown = name;
    for (const auto& line : wrapped(value, std::max(kNarrowest, width) - kNameWidth - 2)) {
      text += named(shown, line);
      shown.clear();
    }
  };
  add("cut", core::printable(plan.reason, 2000));
  if (plan.lora) add("method", core::printable(types::describe_lora(*plan.lora), 500));
  if (!plan.stages.empty()) add("stages", stages_text(plan));
  add("trained", core::format_count(plan.shape.trained_parameters(plan.cut)) + " of " +
                     core::format_count(plan.shape.parameters) + " parameters");
  if (plan.shards.value_or(1) > 1) add("ranks", ranks_text(plan));
  add("budget", limits_text(plan));
  add("steps", steps_text(plan));
  add("predicted", cost_text(plan));
  if (plan.footprint) add("takes", footprint_text(*plan.footprint));
  const types::Candidate* const chosen = plan.chosen();
  if (chosen != nullptr && chosen->step_seconds > 0.0)
    add("a step", step_text(plan, chosen->step_seconds));
  if (chosen != nullptr && chosen->loss) add("predicted loss", range_text(plan, *chosen->loss));
  if (!plan.prediction_basis.empty())
    add("it rests on", core::printable(plan.prediction_basis, 2000));
  if (plan.rates && plan.footprint)
    add("watts", core::printable(plan.footprint->energy_basis, 2000));
  for (const auto& note : plan.notes) add("note", core::printable(note, 2000));
  return text;
}

}  // namespace salf::tools
