#include "text/show_profile.h"

#include <algorithm>
#include <cmath>

#include "core/text.h"
#include "text/columns.h"

namespace salf::tools {
namespace {

constexpr std::size_t kBarWidth = 12;
// Columns without the loss, and without the gain too.
constexpr std::size_t kWithLoss = 80, kWithGain = 60;

// `value` with so many decimals that `width` columns hold it.
std::string cell(double value, int width) {
  const auto columns = static_cast<std::size_t>(width);
  if (!std::isfinite(value)) return right("-", columns);
  for (int decimals = 4; decimals >= 0; --decimals) {
    const std::string text = formatted("%*.*f", width, decimals, value);
    if (text.size() <= columns) return text;
  }
  return formatted("%*.1e", width, value);
}

std::string with_error(double value, double error, int width) {
  return cell(value, width) + " +-" + cell(error, 6);
}

const types::Deviation* find(const types::LayerProfile& profile, types::Measure measure) {
  for (const auto& deviation : profile.deviations) {
    if (deviation.measure == measure) return &deviation;
  }
  return nullptr;
}

// From the smallest deviation (one sign) to the largest (all of them).
std::string bar(const std::vector<double>& deviation, std::size_t space) {
  const auto [low, high] = std::minmax_element(deviation.begin(), deviation.end());
  const double share = *high > *low ? (deviation[space] - *low) / (*high - *low) : 1.0;
  return short_bar(share, kBarWidth);
}

// One letter per rule that cuts behind `space`: capital by cosine, small by loss.
std::string marks(const std::vector<types::RuleChoice>& choices, std::int64_t space) {
  std::string letters;
  for (const auto& choice : choices) {
    if (choice.cut != space || !types::reads_profile(choice.rule)) continue;
    const bool by_loss = choice.measure == types::Measure::kLoss;
    const char letter = choice.rule == types::Rule::kMaxGain        ? 'G'
                        : choice.rule == types::Rule::kMinDeviation ? 'M'
                                                                    : 'T';
    letters += by_loss ? static_cast<char>(letter - 'A' + 'a') : letter;
  }
  return letters;
}

std::string header(const types::Deviation* loss, bool gain) {
  return std::string("space  cosine deviation") + (gain ? "    gain of block" : "") +
         (loss != nullptr ? "        loss\n" : "\n");
}

std::string row(const types::Deviation& first, const types::Deviation* loss, bool gain,
    std::size_t space, const std::string& letters) {
  std::string line = right(std::to_string(space), 5) + "  " +
                     with_error(first.deviation[space], first.standard_error[space], 6) + "  ";
  if (gain)
    line += space == 0 ? std::string(16, ' ')
                       : with_error(first.gain[space - 1], first.gain_error[space - 1], 7);
  if (loss != nullptr)
    line += "  " + with_error(loss->deviation[space], loss->standard_error[space], 6);
  line +=
      "  " + left(bar(first.deviation, space), kBarWidth) + (letters.empty() ? "" : " " + letters);
  return trimmed(line) + "\n";
}

std::string loss_text(const types::LayerProfile& profile) {
  if (!profile.loss_before) return "";
  return "loss of the model as it is: " + core::format_number(profile.loss_before->loss, 4) +
         " +- " + core::format_number(profile.loss_before->standard_error, 2) + " nats a token\n";
}

std::string summary(const types::LayerProfile& profile, const types::Deviation& first) {
  return core::format_count(first.positions) + " positions (" + profile.positions + ") of " +
         core::format_count(first.documents) + " documents, " + core::format_count(profile.tokens) +
         " tokens\n" + loss_text(profile) + core::format_seconds(profile.seconds) + ", " +
         core::format_seconds(profile.forward_seconds) + " of it the forward pass\n";
}

// "max-gain G  cosine: 21 blocks, 74 %, 21-24", one a line.
std::string short_rule_lines(const std::vector<types::RuleChoice>& choices) {
  std::string text = "\nrule, by: frozen blocks, same choice in\n";
  for (const auto& choice : choices) {
    text += core::enum_to_string(choice.rule) + ", " + core::enum_to_string(choice.measure) + ": " +
            std::to_string(choice.cut) + ", " +
            std::to_string(std::lround(100.0 * choice.stability)) + " %\n";
  }
  return text;
}

std::string rule_lines(const std::vector<types::RuleChoice>& choices, std::size_t width) {
  if (choices.empty()) return "";
  if (width < kWithLoss) return short_rule_lines(choices);
  std::string text = "\nrule            by       frozen blocks  same choice in  90 % between\n";
  for (const auto& choice : choices) {
    const std::string letter =
        types::reads_profile(choice.rule) ? " " + marks({choice}, choice.cut) : "";
    text += left(core::enum_to_string(choice.rule) + letter, 16) +
            left(core::enum_to_string(choice.measure), 9) + right(std::to_string(choice.cut), 13) +
            right(std::to_string(std::lround(100.0 * choice.stability)) + " %", 16) + "  " +
            std::to_string(choice.low) + " and " + std::to_string(choice.high) + "\n";
  }
  return text + "(stability over resampled documents, not the probability of being the best cut)\n";
}

}  // namespace

std::string profile_text(const types::LayerProfile& profile,
    const std::vector<types::RuleChoice>& choices, std::size_t width) {
  const types::Deviation* loss = find(profile, types::Measure::kLoss);
  const types::Deviation* cosine = find(profile, types::Measure::kCosine);
  const types::Deviation& first = cosine != nullptr ? *cosine : profile.deviations.front();
  if (cosine == nullptr || width < kWithLoss) loss = nullptr;
  const bool gain = width >= kWithGain;
  std::string text = (width < kWithLoss ? "" : summary(profile, first) + "\n") + header(loss, gain);
  for (std::size_t space = 0; space < first.deviation.size(); ++space) {
    text += row(first, loss, gain, space, marks(choices, static_cast<std::int64_t>(space)));
  }
  return text + rule_lines(choices, width);
}

}  // namespace salf::tools
