// Decision: what is trained, why, how sure that is, and what the prediction rests on.
#include <algorithm>

#include "report/page/html.h"
#include "report/sections/sections.h"

namespace salf::report {
namespace {

using types::FreezePlan;
using types::Rule;
using types::RuleChoice;

// Between sentences; Japanese has none.
const char* const kGap = "<span lang=\"en\"> </span>";

std::string headline(const RunData& run, const FreezePlan& plan) {
  const Cut shown = cut_of(run, plan);
  const std::string blocks = integer(plan.shape.blocks, plan_path(run, "shape.blocks"));
  const std::string lora = plan.lora ? escape(types::describe_lora(*plan.lora)) : "";
  if (shown.cut == 0) return words(plan.lora ? Word::kHeadLora : Word::kHeadFull, {blocks, lora});
  const std::string cut = integer(shown.cut, shown.path);
  return words(plan.lora ? Word::kHeadLoraCut : Word::kHeadCut,
      {cut, integer(plan.shape.blocks - 1, ""), cut, blocks, lora});
}

std::string tuned(const RunData& run, const FreezePlan& plan) {
  const std::int64_t trained = plan.shape.trained_parameters(cut_of(run, plan).cut);
  const double share =
      static_cast<double>(trained) / std::max(1.0, static_cast<double>(plan.shape.parameters));
  return words(Word::kWhyTuned,
      {integer(trained, ""), integer(plan.shape.parameters, plan_path(run, "shape.parameters")),
          percent(share, ""), integer(plan.steps, plan_path(run, "steps")),
          number(plan.learning_rate, plan_path(run, "learning_rate"), 3)});
}

std::string choice_path(const RunData& run, std::size_t index) {
  return plan_path(run, indexed("choices", index));
}

// In older files the reason is one sentence in English.
std::string why(const FreezePlan& plan) {
  if (plan.reasons.empty())
    return plan.reason.empty()
               ? ""
               : words(Word::kRecordedReason, {"<q>" + escape(plan.reason) + "</q>"});
  Text reason = types::reason_text(plan.reasons);
  if (reason.en[0] >= 'a' && reason.en[0] <= 'z')
    reason.en[0] = static_cast<char>(reason.en[0] - 'a' + 'A');
  return words({reason.en + ".", reason.ja + "。"});
}

std::string how_sure(const RunData& run, const FreezePlan& plan) {
  // The plan's rule, or max-gain's where the budget moved on from it.
  const Rule telling = plan.rule == Rule::kMinDeviation || plan.rule == Rule::kThreshold
                           ? plan.rule
                           : Rule::kMaxGain;
  const auto choice = std::find_if(plan.choices.begin(), plan.choices.end(),
      [telling](const RuleChoice& one) { return one.rule == telling; });
  if (choice == plan.choices.end()) return words(Word::kSureUnknown);
  const std::string path =
      choice_path(run, static_cast<std::size_t>(choice - plan.choices.begin()));
  return words(Word::kHowSure,
      {"<b>" + escape(core::enum_to_string(choice->rule)) + "</b>",
          percent(choice->stability, path + ".stability"), integer(choice->low, path + ".low"),
          integer(choice->high, path + ".high")});
}

std::string rests_on(const RunData& run, const FreezePlan& plan) {
  if (plan.cost.timed_batches == 0) return words(Word::kRestsOnNothing);
  const types::Provenance& made = run.run ? run.run->provenance : plan.provenance;
  return words(
      Word::kRestsOn, {integer(plan.cost.timed_batches, plan_path(run, "cost.timed_batches")),
                          escape(made.machine), integer(made.threads, "")});
}

std::string choices_table(const RunData& run, const FreezePlan& plan) {
  if (plan.choices.empty()) return "";
  Rows rows;
  for (std::size_t i = 0; i < plan.choices.size(); ++i) {
    const RuleChoice& choice = plan.choices[i];
    const std::string path = choice_path(run, i);
    const bool chosen = choice.rule == plan.rule && choice.cut == plan.cut;
    rows.push_back({word_cell(rule_name(choice.rule) + (chosen ? tag(Word::kChosenHere) : "")),
        measure_word(choice.measure), integer(choice.cut, path + ".eof"),
        percent(choice.stability, path + ".stability"),
        integer(choice.low, path + ".low") + " … " + integer(choice.high, path + ".high")});
  }
  return table(
      {Word::kRule, Word::kMeasure, Word::kFrozenBlocks, Word::kSameChoice, Word::kNinety}, rows);
}

}  // namespace

std::string plan_path(const RunData& run, const std::string& field) {
  return (run.run ? "run.plan." : "plan.") + field;
}

Cut cut_of(const RunData& run, const FreezePlan& plan) {
  if (!run.run || run.run->stages.empty()) return {plan.cut, plan_path(run, "eof")};
  return {run.run->cut(), indexed("run.stages", run.run->stages.size() - 1) + ".eof"};
}

std::string tag(Word word) { return " <span class=\"tag\">" + words(word) + "</span>"; }

Word status_word(types::RunStatus status) {
  switch (status) {
    case types::RunStatus::kRunning: return Word::kRunning;
    case types::RunStatus::kFinished: return Word::kFinished;
    case types::RunStatus::kStoppedEarly: return Word::kStoppedEarly;
    case types::RunStatus::kBudgetReached: return Word::kBudgetReached;
    case types::RunStatus::kInterrupted: return Word::kInterrupted;
    case types::RunStatus::kGateFailed: return Word::kGateFailed;
    case types::RunStatus::kDiverged: break;
  }
  return Word::kDiverged;
}

std::string decision(const RunData& run, const Context& /*context*/) {
  if (!run.plan) return paragraph(Word::kNoDecision);
  const FreezePlan& plan = *run.plan;
  std::string out = paragraph("<b>" + headline(run, plan) + "</b>", "big");
  if (plan.smallest_budget) {
    out += paragraph(Word::kTooSmall, {escape(types::format_budget(*plan.smallest_budget))}, "bad");
  }
  out += block_strip(cut_of(run, plan).cut, plan.shape.blocks);
  out += paragraph(why(plan) + kGap + tuned(run, plan) + kGap + how_sure(run, plan));
  out += paragraph(rests_on(run, plan), "why");
  if (run.run) {
    out += paragraph(
        "<b>" + words(Word::kStatus) + "</b>: " + words(status_word(run.run->status)), "why");
  }
  return out + choices_table(run, plan);
}

std::string overview(const std::vector<RunData>& runs) {
  Rows rows;
  for (std::size_t i = 0; i < runs.size(); ++i) {
    const RunData& run = runs[i];
    const auto loss = [](const std::optional<types::DevEvaluation>& evaluation, const char* path) {
      return evaluation ? with_error(evaluation->loss, evaluation->standard_error,
                              std::string(path) + ".loss")
                        : std::string("–");
    };
    const std::string open = "<span data-run=\"" + std::to_string(i) + "\">";
    const auto cell = [&open](const std::string& html) { return Cell{open + html + "</span>"}; };
    rows.push_back({word_cell("<b>" + escape(run.name) + "</b>"),
        cell(run.plan ? integer(run.plan->cut, plan_path(run, "eof")) : "–"),
        cell(run.run ? integer(run.run->steps, "run.steps") : "–"),
        cell(run.run ? loss(run.run->before, "run.before") : "–"),
        cell(run.run ? loss(run.run->best, "run.best") : "–"),
        cell(run.run ? seconds(run.run->measured_seconds.total(), "") : "–"),
        cell(run.run ? flops(run.run->flops, "run.flops") : "–"),
        cell(run.run ? bytes(run.run->peak_anonymous_bytes, "run.peak_anonymous_bytes") : "–")});
  }
  return heading(Word::kOverview) +
         table({words(Word::kRun), words(Word::kFrozenBlocks), words(Word::kStepsAxis),
                   words(Word::kDevLoss) + "<br>" + words(Word::kBefore), words(Word::kDevSeries),
                   words(Word::kTime), words(Word::kWork), words(Word::kMemory)},
             rows);
}

}  // namespace salf::report
