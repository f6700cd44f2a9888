#include <algorithm>
#include <optional>
#include <vector>

#include "core/text.h"
#include "text/plan_text.h"
#include "types/budget.h"

namespace salf::tools {
namespace {

using types::Candidate;

constexpr std::size_t kLossBar = 14;
constexpr std::size_t kMostRows = 14;

bool is_knee(const types::FreezePlan& plan, const Candidate& candidate) {
  return plan.knee == candidate.cut && (!plan.knee_arm || plan.knee_arm == candidate.arm);
}

// Evenly spaced cuts, and those that a reader looks for.
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

// A lower loss has a longer bar.
std::string bar(const std::vector<const Candidate*>& rows, const Candidate& candidate) {
  double low = candidate.loss->value, high = low;
  for (const Candidate* row : rows) {
    if (!row->loss) continue;
    low = std::min(low, row->loss->value);
    high = std::max(high, row->loss->value);
  }
  const double share = high > low ? (high - candidate.loss->value) / (high - low) : 1.0;
  return short_bar(share, kLossBar);
}

std::string marks(const types::FreezePlan& plan, const Candidate& candidate) {
  std::string text;
  if (&candidate == plan.chosen()) text += "P";
  if (is_knee(plan, candidate)) text += "K";
  if (!candidate.fits) text += "-";
  return text.empty() ? "" : " " + text;
}

std::string arm_text(const std::optional<types::Arm>& arm) {
  return left(arm ? core::enum_to_string(*arm) : "", 7);
}

std::string candidate_row(const types::FreezePlan& plan, const std::vector<const Candidate*>& rows,
    const Candidate& candidate) {
  std::string text = right(std::to_string(candidate.cut), 6) + " " + arm_text(candidate.arm) +
                     right(core::format_count(candidate.steps), 7) +
                     right(core::format_seconds(candidate.seconds), 13);
  if (candidate.memory_bytes)
    text += right(core::format_bytes(static_cast<std::uint64_t>(*candidate.memory_bytes)), 9);
  if (candidate.loss) {
    const double half =
        candidate.delta ? 0.5 * (candidate.delta->high - candidate.delta->low) : 0.0;
    text += right(loss_text(plan, candidate.loss->value), 8) + " +-" + loss_text(plan, half) +
            "  " + bar(rows, candidate);
  }
  text += marks(plan, candidate);
  return text + "\n";
}

std::string aims_table(const types::FreezePlan& plan) {
  if (plan.aims.empty()) return "";
  std::string text = "\naim             frozen arm      steps         time   memory    loss\n";
  for (const types::AimChoice& choice : plan.aims) {
    text += left(core::enum_to_string(choice.aim), 16);
    if (!choice.fits) {
      text += "nothing fits\n";
      continue;
    }
    const std::string memory =
        choice.memory_bytes ? core::format_bytes(static_cast<std::uint64_t>(*choice.memory_bytes))
                            : "";
    text += right(std::to_string(choice.cut), 6) + " " + arm_text(choice.arm) +
            right(core::format_count(choice.steps), 7) +
            right(core::format_seconds(choice.seconds), 13) + right(memory, 9) +
            right(choice.loss ? loss_text(plan, choice.loss->value) : "", 8) +
            (choice.aim == plan.aim ? "  <- plan" : "") + "\n";
  }
  if (!plan.reference_loss) return text;
  return text + "cheapest, smallest: of what ends within --max-loss-increase of " +
         loss_text(plan, *plan.reference_loss) + "\n";
}

std::string other_budgets(const types::FreezePlan& plan) {
  if (plan.alternatives.empty()) return "";
  std::string text = "\nbudget          frozen arm      steps   predicted loss (90 %)\n";
  for (const auto& other : plan.alternatives) {
    text += left(types::format_budget(other.budget) + " ", 16);
    if (!other.fits) {
      text += "too small\n";
      continue;
    }
    text += right(std::to_string(other.cut), 6) + " " + arm_text(other.arm) +
            right(core::format_count(other.steps), 7) + "   " +
            (other.loss ? range_text(plan, *other.loss) : "") +
            (other.factor == 1.0 ? "  <- plan" : "") + "\n";
  }
  return text;
}

}  // namespace

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
  return text + "; -: does not fit\n" + aims_table(plan) + other_budgets(plan);
}

}  // namespace salf::tools
