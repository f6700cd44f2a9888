// The section Savings: predicted and measured costs beside those of full fine-tuning.
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "core/text.h"
#include "report/page/html.h"
#include "report/sections/sections.h"

namespace salf::report {
namespace {

using types::CostBreakdown;
using types::Footprint;

constexpr double kJoulesPerWattHour = 3600.0;
constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();
const char* const kDash = "–";

// Another run of the report: full fine-tuning of the same model on the same data.
const RunData* full_run(const RunData& run, const std::vector<RunData>& runs) {
  if (!run.run) return nullptr;
  const types::Provenance& here = run.run->provenance;
  for (const RunData& other : runs) {
    if (&other == &run || !other.run || other.run->plan.cut != 0 || other.run->plan.lora ||
        !other.run->stages.empty())
      continue;
    const types::Provenance& there = other.run->provenance;
    if (here.model_hash == there.model_hash && here.data_hash == there.data_hash) return &other;
  }
  return nullptr;
}

std::string saved(double spent, double full) {
  if (!(full > 0.0) || !std::isfinite(spent)) return kDash;
  return "<b>" + percent(1.0 - spent / full, "", 2) + "</b>";
}

std::string marked(const std::string& html, Word word) {
  return html == kDash ? html : html + tag(word);
}

// A positive figure with its mark; a dash for others.
std::string known(double value, std::string (*show)(double, const std::string&), Word mark,
    const std::string& path = "") {
  return std::isfinite(value) && value > 0.0 ? show(value, path) + tag(mark) : kDash;
}

std::string estimated(
    double value, std::string (*show)(double, const std::string&), const std::string& path = "") {
  return known(value, show, Word::kEstimated, path);
}

Row measured_row(Word name, const std::string& measured) {
  const std::string none = kDash;
  return {name, none, measured, none, none, none};
}

// Seconds of a step, predicted and measured.
struct StepSeconds {
  double predicted = kUnknown, measured = kUnknown;
  std::string path;  // of the prediction
};

StepSeconds step_seconds(const RunData& run, const types::FreezePlan& plan) {
  StepSeconds step;
  const types::Candidate* const chosen = plan.chosen();
  const CostBreakdown& predicted = plan.predicted_seconds;
  if (!plan.stages.empty()) {
    step.predicted = (predicted.total() - predicted.evaluation - predicted.fixed) /
                     static_cast<double>(std::max<std::int64_t>(1, plan.steps));
  } else if (chosen != nullptr) {
    step.predicted = chosen->step_seconds;
    step.path =
        plan_path(run, indexed("candidates", plan.candidates.place(*chosen)) + ".step_seconds");
  }
  if (run.run && run.run->tokens_per_second > 0.0 && run.run->steps > 0) {
    step.measured = static_cast<double>(run.run->tokens) / run.run->tokens_per_second /
                    static_cast<double>(run.run->steps);
  }
  return step;
}

// Another way to tune, with as many steps.
struct Reference {
  double step_seconds = kUnknown, step_flops = kUnknown, bytes = kUnknown;  // predicted
  double seconds = kUnknown;  // of its steps at this run's speed, and the same evaluations
};

// What the run itself takes: measured where it was run, else predicted.
struct Spent {
  double steps = 0.0, seconds = 0.0, evaluation = 0.0, flops = 0.0, bytes = kUnknown;
  std::optional<Footprint> footprint;
  StepSeconds step;

  // What a predicted second of a step really took: machines change their speed after timing.
  double slowdown() const {
    const double ratio = step.measured / step.predicted;
    return std::isfinite(ratio) && ratio > 0.0 ? ratio : 1.0;
  }
};

struct References {
  Reference full, lora;  // on all blocks
};

Spent spent_on(const RunData& run, const types::FreezePlan& plan) {
  const types::RunRecord* const record = run.run ? &*run.run : nullptr;
  const CostBreakdown& cost = record != nullptr ? record->measured_seconds : plan.predicted_seconds;
  Spent spent;
  spent.steps = static_cast<double>(record != nullptr ? record->steps : plan.steps);
  spent.seconds = cost.total();
  spent.evaluation = cost.evaluation;
  spent.flops = record != nullptr ? record->flops : plan.predicted_flops.total();
  spent.footprint = plan.footprint;
  if (record != nullptr)
    spent.footprint =
        record->measured_footprint ? record->measured_footprint : record->predicted_footprint;
  spent.bytes = plan.memory_bytes.value_or(kUnknown);
  spent.step = step_seconds(run, plan);
  return spent;
}

Reference reference(const Spent& spent, double step_seconds, double step_flops) {
  Reference other;
  if (step_seconds > 0.0) {
    other.step_seconds = step_seconds;
    other.seconds = step_seconds * spent.slowdown() * spent.steps + spent.evaluation;
  }
  if (step_flops > 0.0) other.step_flops = step_flops;
  return other;
}

References references(const Spent& spent, const types::FreezePlan& plan) {
  References others;
  const bool staged = !plan.stages.empty();
  const types::Candidate* const chosen = staged ? nullptr : plan.chosen();
  const types::Candidate* const whole = plan.candidates.at(types::Method::kBlocks, 0);
  const types::Candidate* const lora = plan.candidates.at(types::Method::kLora, 0);
  const bool lora_alone = whole == nullptr && lora != nullptr;
  if (!lora_alone &&
      (plan.cut > 0 || staged || plan.lora || (chosen != nullptr && chosen != whole))) {
    others.full = reference(spent, plan.full_step_seconds, plan.full_step_flops);
    if (whole != nullptr) others.full.bytes = whole->memory_bytes.value_or(kUnknown);
  }
  if (lora != nullptr && lora->arm == types::Arm::kLora && lora != chosen) {
    others.lora = reference(spent, lora->step_seconds, lora->step_flops);
    others.lora.bytes = lora->memory_bytes.value_or(kUnknown);
  }
  return others;
}

// Time, time of a step and FLOPs. The others do as many steps.
Rows cost_rows(const RunData& run, const types::FreezePlan& plan, const Spent& spent,
    const References& others) {
  const bool measured = run.run.has_value();
  const double step =
      std::isfinite(spent.step.measured) ? spent.step.measured : spent.step.predicted;
  const double slowdown = spent.slowdown();
  return {{Word::kTime, estimated(plan.predicted_seconds.total(), seconds),
              measured ? marked(seconds(spent.seconds, ""), Word::kMeasured) : kDash,
              estimated(others.full.seconds, seconds), estimated(others.lora.seconds, seconds),
              saved(spent.seconds, others.full.seconds)},
      {Word::kStepTime, estimated(spent.step.predicted, seconds, spent.step.path),
          known(spent.step.measured, seconds, Word::kMeasured),
          estimated(others.full.step_seconds * slowdown, seconds),
          estimated(others.lora.step_seconds * slowdown, seconds),
          saved(step, others.full.step_seconds * slowdown)},
      {Word::kWork, estimated(plan.predicted_flops.total(), flops),
          measured ? known(spent.flops, flops, Word::kCounted, "run.flops") : kDash,
          estimated(others.full.step_flops * spent.steps, flops),
          estimated(others.lora.step_flops * spent.steps, flops),
          saved(spent.flops, others.full.step_flops * spent.steps)}};
}

std::string estimated_bytes(double value) {
  return value > 0.0 ? bytes(static_cast<std::int64_t>(value), "") + tag(Word::kEstimated) : kDash;
}

// Predicted memory is compared with predicted memory.
void add_memory(const RunData& run, const Spent& spent, const References& others, Rows& rows) {
  const std::int64_t peak = run.run ? run.run->peak_anonymous_bytes : 0;
  rows.push_back({Word::kMemory, estimated_bytes(spent.bytes),
      peak > 0 ? marked(bytes(peak, "run.peak_anonymous_bytes"), Word::kMeasured) : kDash,
      estimated_bytes(others.full.bytes), estimated_bytes(others.lora.bytes),
      saved(spent.bytes, others.full.bytes)});
}

void add_other_measures(const types::RunRecord& record, Rows& rows) {
  const auto add = [&rows](Word name, std::int64_t value, const char* path) {
    if (value > 0) rows.push_back(measured_row(name, marked(bytes(value, path), Word::kMeasured)));
  };
  add(Word::kResident, record.peak_resident_bytes, "run.peak_resident_bytes");
  add(Word::kMapped, record.frozen_bytes_mapped, "run.frozen_bytes_mapped");
  if (record.cache && record.cache->flops_avoided > 0.0) {
    rows.push_back(measured_row(Word::kAvoided,
        known(record.cache->flops_avoided, flops, Word::kCounted, "run.cache.flops_avoided")));
  }
}

std::string beside_full(const RunData& run, const RunData& full) {
  const types::RunRecord& here = *run.run;
  const types::RunRecord& there = *full.run;
  const auto row = [](Word name, const std::string& mine, const std::string& other, double spent,
                       double whole) {
    return Row{name, marked(mine, Word::kMeasured), marked(other, Word::kMeasured),
        spent > 0.0 ? saved(spent, whole) : kDash};
  };
  const double mine = here.measured_seconds.total();
  const double other = there.measured_seconds.total();
  return table(
      {"", escape(run.name), words(Word::kFullMeasured, {escape(full.name)}), words(Word::kSaved)},
      {row(Word::kTime, seconds(mine, ""), seconds(other, ""), mine, other),
          row(Word::kMemory, bytes(here.peak_anonymous_bytes, "run.peak_anonymous_bytes"),
              bytes(there.peak_anonymous_bytes, ""), static_cast<double>(here.peak_anonymous_bytes),
              static_cast<double>(there.peak_anonymous_bytes))});
}

struct Phase {
  Word name;
  double CostBreakdown::*value;
  const char* field;
};
constexpr std::array<Phase, 8> kPhases = {{{Word::kPrefix, &CostBreakdown::prefix, "prefix"},
    {Word::kCacheRead, &CostBreakdown::cache, "cache"},
    {Word::kSuffixForward, &CostBreakdown::suffix_forward, "suffix_forward"},
    {Word::kHead, &CostBreakdown::head, "head"},
    {Word::kBackward, &CostBreakdown::backward, "backward"},
    {Word::kOptimizer, &CostBreakdown::optimizer, "optimizer"},
    {Word::kEvaluation, &CostBreakdown::evaluation, "evaluation"},
    {Word::kFixedCost, &CostBreakdown::fixed, "fixed"}}};

std::string phases(const RunData& run, const types::FreezePlan& plan) {
  std::vector<BarRow> rows;
  for (const Phase& phase : kPhases) rows.push_back({text(phase.name), {}, {}});
  std::vector<Text> legend;
  const auto add = [&](Word name, const CostBreakdown& cost, const std::string& path) {
    if (!(cost.total() > 0.0)) return;  // no step was timed
    legend.push_back(text(name));
    for (std::size_t i = 0; i < kPhases.size(); ++i) {
      rows[i].values.push_back(cost.*kPhases[i].value);
      rows[i].labels.push_back(seconds(rows[i].values.back(), path + kPhases[i].field));
    }
  };
  if (run.run) {
    add(Word::kPredicted, run.run->predicted_seconds, "run.predicted_seconds.");
    add(Word::kMeasured, run.run->measured_seconds, "run.measured_seconds.");
  } else {
    add(Word::kPredicted, plan.predicted_seconds, "plan.predicted_seconds.");
  }
  return bar_figure(text(Word::kWhereTime), legend, rows);
}

// One figure of a footprint, shown in its unit.
struct FootprintFigure {
  Word name;
  std::optional<double> Footprint::*value;
  double scale;
  const char* unit;  // "": the footprint's currency
};
constexpr std::array<FootprintFigure, 3> kFootprintFigures = {
    {{Word::kEnergy, &Footprint::energy_joules, kJoulesPerWattHour, "Wh"},
        {Word::kCarbon, &Footprint::gco2, 1.0, "g"}, {Word::kMoney, &Footprint::money, 1.0, ""}}};

std::string shown(const FootprintFigure& figure, const std::optional<Footprint>& use) {
  if (!use || !((*use).*figure.value)) return kDash;
  const std::string unit = *figure.unit == '\0' ? escape(use->currency) : figure.unit;
  return number(*((*use).*figure.value) / figure.scale, "", 3) + " " + unit +
         tag(use->source == types::FigureSource::kMeasured ? Word::kMeasured : Word::kEstimated);
}

// What `seconds` take where the run's own take its footprint.
std::optional<Footprint> footprint_of(const Spent& spent, double seconds) {
  if (!spent.footprint || !std::isfinite(seconds) || !(spent.seconds > 0.0)) return std::nullopt;
  Footprint use = *spent.footprint;
  use.source = types::FigureSource::kEstimated;
  for (const FootprintFigure& figure : kFootprintFigures) {
    std::optional<double>& value = use.*figure.value;
    if (value) *value *= seconds / spent.seconds;
  }
  return use;
}

void add_footprint(const RunData& run, const Spent& spent, const References& others, Rows& rows) {
  const std::optional<Footprint> none;
  const auto& predicted = run.run ? run.run->predicted_footprint : run.plan->footprint;
  const auto& measured = run.run ? run.run->measured_footprint : none;
  const std::optional<Footprint> full = footprint_of(spent, others.full.seconds);
  const std::optional<Footprint> lora = footprint_of(spent, others.lora.seconds);
  for (const FootprintFigure& figure : kFootprintFigures) {
    std::string after = shown(figure, measured);
    if (after == kDash && run.run)
      after = "<span class=\"soft\">" + words(Word::kNotRecorded) + "</span>";
    const bool both = full && (*spent.footprint).*figure.value;
    rows.push_back(
        {figure.name, shown(figure, predicted), after, shown(figure, full), shown(figure, lora),
            both ? saved(*((*spent.footprint).*figure.value), *((*full).*figure.value)) : kDash});
  }
}

// The sources of the figures, one sentence each.
std::string bases(const Footprint& use) {
  std::string out;
  for (const std::string* basis : {&use.energy_basis, &use.gco2_basis, &use.money_basis}) {
    if (!basis->empty()) out += (out.empty() ? "" : "; ") + escape(*basis);
  }
  return out;
}

}  // namespace

std::string savings(const RunData& run, const Context& context) {
  if (!run.plan) return paragraph(Word::kNoPlan);
  const bool tunes_all = run.plan->cut == 0 && !run.plan->lora;
  const Spent spent = spent_on(run, *run.plan);
  const References others = references(spent, *run.plan);
  Rows rows = cost_rows(run, *run.plan, spent, others);
  add_memory(run, spent, others, rows);
  add_footprint(run, spent, others, rows);
  if (run.run) add_other_measures(*run.run, rows);
  std::string out = tunes_all ? paragraph(Word::kIsFull) : "";
  const std::int64_t ranks = run.plan->shards.value_or(1);
  if (ranks > 1) out += paragraph(Word::kRanksShared, {core::format_count(ranks)});
  out += table({Word::kNone, Word::kPredicted, Word::kMeasured, Word::kFullTuning, Word::kLoraOnAll,
                   Word::kSaved},
      rows);
  const RunData* const full = tunes_all ? nullptr : full_run(run, context.runs);
  if (full != nullptr) out += beside_full(run, *full);
  const std::string analysis =
      run.profile ? seconds(run.profile->seconds, "profile.seconds") : kDash;
  out += paragraph(Word::kSavingsNote, {analysis, number(spent.slowdown(), "", 3)}, "why");
  const auto& use =
      run.run && run.run->measured_footprint ? run.run->measured_footprint : run.plan->footprint;
  if (use) out += paragraph(Word::kFootprintRestsOn, {bases(*use)}, "why");
  return out + phases(run, *run.plan);
}

}  // namespace salf::report
