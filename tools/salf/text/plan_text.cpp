#include "text/plan_text.h"

#include <algorithm>
#include <cmath>

#include "core/text.h"

namespace salf::tools {
namespace {

constexpr std::size_t kMostDepths = 16;

std::string choices(const types::FreezePlan& plan, const TextStyle& style) {
  if (plan.choices.empty()) return "";
  const bool wide = style.width >= 50;  // else without the measure
  std::string text = heading(
      wide ? "rule           by      frozen  same in  90 %" : "rule          frozen  same in  90 %",
      style);
  for (const types::RuleChoice& choice : plan.choices) {
    text += left(core::enum_to_string(choice.rule), wide ? 15 : 14) +
            (wide ? left(core::enum_to_string(choice.measure), 8) : std::string()) +
            right(std::to_string(choice.cut), 6) +
            right(std::to_string(std::lround(100.0 * choice.stability)) + " %", 9) + "  " +
            std::to_string(choice.low) + "-" + std::to_string(choice.high) + "\n";
  }
  return text;
}

// All cuts, or as many of them as fit, with the chosen one.
std::string depths(const types::FreezePlan& plan, const TextStyle& style) {
  const std::vector<types::Candidate> candidates = plan.candidates.of(plan.method());
  if (candidates.empty()) return "";
  double most = 0.0;
  for (const types::Candidate& candidate : candidates)
    most = std::max(most, candidate.step_seconds);
  const std::size_t stride = (candidates.size() + kMostDepths - 1) / kMostDepths;
  const std::size_t room = style.width > 50 ? std::min<std::size_t>(style.width - 40, 36) : 0;
  std::string text = heading("frozen     steps  a step", style);
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    const types::Candidate& candidate = candidates[i];
    const bool chosen = candidate.cut == plan.cut;
    if (i % stride != 0 && !chosen) continue;
    const std::string line =
        right(std::to_string(candidate.cut), 6) + right(core::format_count(candidate.steps), 10) +
        "  " + left(most > 0.0 ? core::format_seconds(candidate.step_seconds) : "-", 11);
    const std::string bar =
        room > 0 && most > 0.0 ? trimmed(text_bar(candidate.step_seconds / most, room)) : "";
    text += (bar.empty() && !chosen ? trimmed(line) : line) +
            (bar.empty() ? "" : painted(bar, style)) + (chosen ? " <- chosen" : "") + "\n";
  }
  return text;
}

std::string scale_row(const types::RankForecast& row) {
  const auto bytes = [](double value) {
    return core::format_bytes(static_cast<std::uint64_t>(value));
  };
  return right(core::format_count(row.ranks), 6) +
         right(core::format_seconds(row.step_seconds), 12) +
         right(core::format_number(row.tokens_per_second, 4), 13) +
         right(formatted("%.3f", row.efficiency), 12) +
         right(row.memory_bytes ? bytes(*row.memory_bytes) : "-", 12) +
         right(bytes(row.sent_bytes), 12) + right(core::format_seconds(row.waited_seconds), 12) +
         "\n";
}

}  // namespace

std::string scale_table(const types::FreezePlan& plan) {
  if (!plan.scale) return "";
  const types::Scale& scale = *plan.scale;
  std::string text =
      "\n ranks      a step     tokens/s  efficiency      memory        sent"
      "      waited\n";
  for (const types::RankForecast& row : scale.rows) text += scale_row(row);
  return text + "predicted for machines like this one, each on a link of " +
         core::printable(scale.link, 20) +
         (scale.sharded ? ",\nwith the optimizer's state in parts\n" : "\n");
}

std::string loss_text(const types::FreezePlan& plan, double loss) {
  return plan.loss_before ? formatted("%.3f", loss) : formatted("%.1f%%", 100.0 * loss);
}

std::string range_text(const types::FreezePlan& plan, const types::Range& range) {
  return loss_text(plan, range.value) + " (" + loss_text(plan, range.low) + " to " +
         loss_text(plan, range.high) + ")";
}

std::string plan_text(const types::FreezePlan& plan, const TextStyle& style) {
  const std::string table = style.width >= 80 ? plan_table(plan) : "";
  return plan_summary(plan, style.width) + choices(plan, style) +
         (table.empty() ? depths(plan, style) : "\n" + table) + scale_table(plan);
}

}  // namespace salf::tools
