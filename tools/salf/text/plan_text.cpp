#include "text/plan_text.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <optional>
#include <vector>

#include "app/planning/energy_watch.h"
#include "core/log.h"
#include "core/text.h"
#include "text/footprint_text.h"
#include "types/budget.h"

namespace salf::tools {
namespace {

using types::Candidate;

constexpr std::size_t kNameWidth = 16;
constexpr std::size_t kNarrowest = 40;
constexpr std::size_t kLossBar = 14;
constexpr std::size_t kMostRows = 14;

std::string line(const char* name, const std::string& value) {
  std::string text = name;
  text.resize(kNameWidth, ' ');
  return text + value + "\n";
}

std::string wrapped(const char* name, const std::string& value, std::size_t width) {
  const std::size_t room = std::max(kNarrowest, width) - kNameWidth - 2;
  std::string text;
  std::string rest = value;
  while (rest.size() > room) {
    const std::size_t space = rest.rfind(' ', room);
    const std::size_t cut = space == std::string::npos ? room : space;
    text += line(text.empty() ? name : "", rest.substr(0, cut));
    rest = rest.substr(std::min(rest.size(), cut + 1));
  }
  return text + line(text.empty() ? name : "", rest);
}

std::string padded(const std::string& text, std::size_t width) {
  return text.size() < width ? std::string(width - text.size(), ' ') + text : text;
}

// Nats, or per cent of the loss before where that is not known.
std::string loss_text(const types::FreezePlan& plan, double loss) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), plan.loss_before ? "%.3f" : "%.1f%%",
      plan.loss_before ? loss : 100.0 * loss);
  return text.data();
}

std::string range_text(const types::FreezePlan& plan, const types::Range& range) {
  return loss_text(plan, range.value) + " (" + loss_text(plan, range.low) + " to " +
         loss_text(plan, range.high) + ")";
}

bool is_knee(const types::FreezePlan& plan, const Candidate& candidate) {
  return plan.knee == candidate.cut && (!plan.knee_arm || plan.knee_arm == candidate.arm);
}

// Every so many depths, and those that a reader looks for.
std::vector<const Candidate*> shown(const types::FreezePlan& plan) {
  const auto stride =
      static_cast<std::int64_t>((plan.candidates.size() + kMostRows - 1) / kMostRows);
  std::vector<const Candidate*> rows;
  for (const Candidate& one : plan.candidates) {
    if (one.cut % stride == 0 || &one == plan.chosen() || is_knee(plan, one) ||
        one.cut + 1 == plan.shape.blocks)
      rows.push_back(&one);
  }
  return rows;
}

// The lower the loss, the longer.
std::string bar(const std::vector<const Candidate*>& rows, const Candidate& candidate) {
  double low = candidate.loss->value, high = low;
  for (const Candidate* row : rows) {
    if (!row->loss) continue;
    low = std::min(low, row->loss->value);
    high = std::max(high, row->loss->value);
  }
  const double share = high > low ? (high - candidate.loss->value) / (high - low) : 1.0;
  return std::string(
      static_cast<std::size_t>(1.0 + std::round(share * static_cast<double>(kLossBar - 1))), '#');
}

std::string marks(const types::FreezePlan& plan, const Candidate& candidate) {
  std::string text;
  if (&candidate == plan.chosen()) text += "P";
  if (is_knee(plan, candidate)) text += "K";
  if (!candidate.fits) text += "-";
  return text.empty() ? "" : " " + text;
}

std::string arm_text(const std::optional<types::Arm>& arm) {
  std::string text = arm ? core::enum_to_string(*arm) : "";
  text.resize(7, ' ');
  return text;
}

std::string candidate_row(const types::FreezePlan& plan, const std::vector<const Candidate*>& rows,
    const Candidate& candidate) {
  std::string text = padded(std::to_string(candidate.cut), 6) + " " + arm_text(candidate.arm) +
                     padded(core::format_count(candidate.steps), 7) +
                     padded(core::format_seconds(candidate.seconds), 13);
  if (candidate.memory_bytes)
    text += padded(core::format_bytes(static_cast<std::uint64_t>(*candidate.memory_bytes)), 9);
  if (candidate.loss) {
    const double half =
        candidate.delta ? 0.5 * (candidate.delta->high - candidate.delta->low) : 0.0;
    text += padded(loss_text(plan, candidate.loss->value), 8) + " +-" + loss_text(plan, half) +
            "  " + bar(rows, candidate);
  }
  text += marks(plan, candidate);
  return text + "\n";
}

std::string other_budgets(const types::FreezePlan& plan) {
  if (plan.alternatives.empty()) return "";
  std::string text = "\nbudget          frozen arm      steps   predicted loss (90 %)\n";
  for (const auto& other : plan.alternatives) {
    std::string row = types::format_budget(other.budget);
    row.resize(std::max<std::size_t>(row.size() + 1, 16), ' ');
    text += row;
    if (!other.fits) {
      text += "too small\n";
      continue;
    }
    text += padded(std::to_string(other.cut), 6) + " " + arm_text(other.arm) +
            padded(core::format_count(other.steps), 7) + "   " +
            (other.loss ? range_text(plan, *other.loss) : "") +
            (other.factor == 1.0 ? "  <- plan" : "") + "\n";
  }
  return text;
}

std::string stages(const types::FreezePlan& plan) {
  std::vector<std::string> cuts;
  for (const std::int64_t cut : plan.stages) cuts.push_back(std::to_string(cut));
  return "frozen blocks " + core::join(cuts, ", then ") +
         ", as long as the next is predicted to pay";
}

std::string limits(const types::FreezePlan& plan) {
  std::string text = types::format_budget(plan.budget);
  if (plan.budget.seconds > 0.0)
    text += ", " + core::format_seconds(plan.budget.seconds) + " at these rates";
  if (plan.max_memory_bytes)
    text += ", memory " + core::format_bytes(static_cast<std::uint64_t>(*plan.max_memory_bytes));
  if (plan.max_loss_increase) text += ", loss +" + core::format_number(*plan.max_loss_increase);
  return text;
}

std::string taken(const types::FreezePlan& plan) {
  std::string text = core::format_seconds(plan.predicted_seconds.total()) + ", " +
                     core::format_flops(plan.predicted_flops.total());
  if (plan.memory_bytes)
    text +=
        ", " + core::format_bytes(static_cast<std::uint64_t>(*plan.memory_bytes)) + " of memory";
  return text;
}

}  // namespace

std::string plan_summary(const types::FreezePlan& plan, std::size_t width) {
  std::string text = wrapped("cut", core::printable(plan.reason, 2000), width);
  if (plan.lora)
    text += wrapped("method", core::printable(types::describe_lora(*plan.lora), 500), width);
  if (!plan.stages.empty()) text += wrapped("stages", stages(plan), width);
  text += wrapped("trained",
      core::format_count(plan.shape.trained_parameters(plan.cut)) + " of " +
          core::format_count(plan.shape.parameters) + " parameters",
      width);
  text += wrapped("budget", limits(plan), width);
  text += wrapped("steps",
      core::format_count(plan.steps) + " (" + core::format_number(plan.epochs, 3) + " epochs, " +
          core::format_count(plan.tokens) + " tokens), learning rate " +
          core::format_number(plan.learning_rate, 3),
      width);
  text += wrapped("predicted", taken(plan), width);
  if (plan.footprint) text += wrapped("takes", footprint_text(*plan.footprint), width);
  const Candidate* const candidate = plan.chosen();
  if (candidate != nullptr && candidate->step_seconds > 0.0) {
    const bool full_is_lora = plan.candidates.full().arm == types::Arm::kLora;
    text += wrapped("a step",
        core::format_number(candidate->step_seconds, 3) + " s, " +
            (full_is_lora ? "LoRA on all blocks " : "full fine-tuning ") +
            core::format_number(plan.full_step_seconds, 3) + " s (" +
            core::format_number(plan.full_step_seconds / candidate->step_seconds, 3) + " times)",
        width);
  }
  if (candidate != nullptr && candidate->loss)
    text += wrapped("predicted loss", range_text(plan, *candidate->loss), width);
  if (!plan.prediction_basis.empty())
    text += wrapped("it rests on", core::printable(plan.prediction_basis, 2000), width);
  if (plan.rates && plan.footprint)
    text += wrapped("watts", core::printable(plan.footprint->energy_basis, 2000), width);
  for (const auto& note : plan.notes) text += wrapped("note", core::printable(note, 2000), width);
  return text;
}

std::string plan_table(const types::FreezePlan& plan) {
  if (plan.candidates.empty()) return "";
  const std::vector<const Candidate*> rows = shown(plan);
  const bool memory = rows.front()->memory_bytes.has_value();
  std::string text =
      std::string("frozen arm      steps         time") + (memory ? "   memory" : "");
  if (rows.front()->loss) text += "    loss +-(to full)  lower is longer";
  text += "\n";
  for (const Candidate* candidate : rows) text += candidate_row(plan, rows, *candidate);
  text += "P: the plan";
  if (plan.knee) text += "; K: the knee of loss against time";
  return text + "; -: does not fit\n" + other_budgets(plan);
}

}  // namespace salf::tools
