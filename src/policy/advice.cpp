#include "policy/advice.h"

#include <algorithm>
#include <cmath>

#include "core/text.h"

namespace salf::policy {
namespace {

using types::Candidate;
using types::Rule;
using types::RuleChoice;

// Layers apart, as a share of the model, from which on choices are said to disagree.
constexpr double kDisagreement = 0.1;
constexpr double kSettled = 0.5;  // stability below which a choice is said to be open

bool counts(const Candidate& candidate) { return candidate.fits && candidate.loss.has_value(); }

bool beats(const Candidate& a, const Candidate& b) {
  return a.seconds <= b.seconds && a.loss->value <= b.loss->value &&
         (a.seconds < b.seconds || a.loss->value < b.loss->value);
}

std::string name_of(const RuleChoice& choice) {
  return core::enum_to_string(choice.rule) + " by " + core::enum_to_string(choice.measure);
}

double apart_from(const types::FreezePlan& plan) {
  return std::max(1.0, kDisagreement * static_cast<double>(plan.shape.blocks));
}

void note_rules(const types::FreezePlan& plan, std::vector<std::string>& notes) {
  const RuleChoice* low = nullptr;
  const RuleChoice* high = nullptr;
  for (const RuleChoice& choice : plan.choices) {
    if (!types::reads_profile(choice.rule)) continue;
    if (low == nullptr || choice.cut < low->cut) low = &choice;
    if (high == nullptr || choice.cut > high->cut) high = &choice;
  }
  if (low == nullptr || static_cast<double>(high->cut - low->cut) <= apart_from(plan)) return;
  notes.push_back("the rules disagree: " + name_of(*low) + " would freeze " +
                  std::to_string(low->cut) + " of the blocks, " + name_of(*high) + " " +
                  std::to_string(high->cut));
}

void note_measures(const types::FreezePlan& plan, std::vector<std::string>& notes) {
  const RuleChoice* const cosine =
      types::find_choice(plan.choices, Rule::kMaxGain, types::Measure::kCosine);
  const RuleChoice* const loss =
      types::find_choice(plan.choices, Rule::kMaxGain, types::Measure::kLoss);
  if (cosine == nullptr || loss == nullptr) return;
  if (std::fabs(static_cast<double>(cosine->cut - loss->cut)) <= apart_from(plan)) return;
  const auto block = [](const RuleChoice& choice) {  // at cut 0 no block has a clear gain
    return choice.cut == 0 ? std::string("in no block")
                           : "in block " + std::to_string(choice.cut - 1);
  };
  notes.push_back("the measures disagree: the largest gain lies " + block(*cosine) +
                  " by cosine, " + block(*loss) + " by loss");
}

void note_prediction(const types::FreezePlan& plan, std::vector<std::string>& notes) {
  const RuleChoice* const rule =
      types::find_choice(plan.choices, Rule::kMaxGain, types::Measure::kCosine);
  const Candidate* const chosen = plan.chosen();
  if (chosen == nullptr || !chosen->loss) return;
  const Candidate& full = plan.candidates.full();
  const Candidate& by_rule =
      rule == nullptr ? *chosen : *plan.candidates.at(types::method_of(*full.arm), rule->cut);
  if (plan.rule == Rule::kPredicted && by_rule.loss &&
      static_cast<double>(std::llabs(by_rule.cut - plan.cut)) > apart_from(plan)) {
    const double more = by_rule.loss->value - chosen->loss->value;
    notes.push_back("max-gain, the paper's rule, would freeze " + std::to_string(by_rule.cut) +
                    " blocks; its predicted loss is " + core::format_number(std::fabs(more), 2) +
                    (more >= 0.0 ? " higher" : " lower"));
  }
  if (chosen == &full || !chosen->delta || chosen->delta->low >= 0.0 || chosen->delta->high <= 0.0)
    return;
  notes.push_back("whether this " + std::string(plan.lora ? "LoRA" : "cut") +
                  " or full fine-tuning ends lower is within the prediction's error");
}

void note_stability(const types::LayerProfile& profile, const types::FreezePlan& plan,
    std::vector<std::string>& notes) {
  if (profile.stability_goal > 0.0 && profile.stability < profile.stability_goal) {
    notes.push_back(
        "the profile's choice had not settled when it ran out of documents: the same in " +
        core::format_number(100.0 * profile.stability, 2) + " % of resamples, " +
        core::format_number(100.0 * profile.stability_goal, 2) +
        " % were asked for (--max-documents)");
  }
  if (plan.choices.empty()) return;
  const RuleChoice& used = plan.choices.back();
  if (used.rule != plan.rule || used.cut != plan.cut || used.stability >= kSettled ||
      used.low == used.high)
    return;
  notes.push_back(
      "the choice is open: " +
      std::string(plan.rule == Rule::kPredicted ? "resampled priors" : "resampled documents") +
      " choose " + std::to_string(used.low) + " to " + std::to_string(used.high) +
      " frozen blocks");
}

}  // namespace

void mark_pareto(types::Candidates& candidates) {
  for (Candidate& candidate : candidates) {
    candidate.pareto = counts(candidate) && std::none_of(candidates.begin(), candidates.end(),
                                                [&](const Candidate& other) {
                                                  return counts(other) && beats(other, candidate);
                                                });
  }
}

const Candidate* knee_of(const types::Candidates& candidates) {
  std::vector<const Candidate*> curve;
  for (const Candidate& candidate : candidates) {
    if (candidate.pareto) curve.push_back(&candidate);
  }
  if (curve.size() < 3) return nullptr;
  std::sort(curve.begin(), curve.end(),
      [](const Candidate* a, const Candidate* b) { return a->seconds < b->seconds; });
  const double width = curve.back()->seconds - curve.front()->seconds;
  const double height = curve.front()->loss->value - curve.back()->loss->value;
  if (!(width > 0.0) || !(height > 0.0)) return nullptr;
  const Candidate* knee = nullptr;
  double farthest = 0.0;
  for (const Candidate* candidate : curve) {
    const double right = (candidate->seconds - curve.front()->seconds) / width;
    const double down = (curve.front()->loss->value - candidate->loss->value) / height;
    if (down - right <= farthest) continue;
    farthest = down - right;
    knee = candidate;
  }
  return knee;
}

std::vector<std::string> notes_on(
    const types::LayerProfile& profile, const types::FreezePlan& plan) {
  std::vector<std::string> notes;
  note_rules(plan, notes);
  note_measures(plan, notes);
  note_prediction(plan, notes);
  note_stability(profile, plan, notes);
  return notes;
}

void add_profile(
    const types::LayerProfile& profile, const RuleParameters& parameters, types::FreezePlan& plan) {
  const auto known = static_cast<std::ptrdiff_t>(notes_on({}, plan).size());
  plan.notes.erase(plan.notes.end() - std::min<std::ptrdiff_t>(
                                          known, static_cast<std::ptrdiff_t>(plan.notes.size())),
      plan.notes.end());
  const std::vector<RuleChoice> read = all_choices(profile, parameters);
  plan.choices.insert(plan.choices.begin(), read.begin(), read.end());
  for (std::string& note : notes_on(profile, plan)) plan.notes.push_back(std::move(note));
}

}  // namespace salf::policy
