// Savings: what the run was predicted to cost, what it did cost, and what full fine-tuning would
// have.
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "core/text.h"
#include "report/page/chart.h"
#include "report/page/html.h"
#include "report/sections/sections.h"

namespace salf::report {
namespace {

constexpr double kJoulesPerWattHour = 3600.0;

constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();
const char* const kDash = "–";

// Another run of the report that trained everything on the same model and data.
const RunData* full_run(const RunData& run, const std::vector<RunData>& runs) {
  for (const RunData& other : runs) {
    if (&other == &run || !other.run || !run.run || other.run->plan.cut != 0 ||
        other.run->plan.lora || !other.run->stages.empty())
      continue;
    const types::Provenance& here = run.run->provenance;
    const types::Provenance& there = other.run->provenance;
    if (here.model_hash == there.model_hash && here.data_hash == there.data_hash) return &other;
  }
  return nullptr;
}

std::string saved(double spent, double full) {
  if (!(full > 0.0) || !std::isfinite(spent)) return kDash;
  return "<b>" + percent(1.0 - spent / full, "", 2) + "</b>";
}

// Seconds and FLOPs of full fine-tuning for as many steps, with the same evaluations.
struct FullCost {
  double seconds = kUnknown, flops = kUnknown;
};

FullCost full_cost(const types::FreezePlan& plan, std::int64_t steps, double evaluation_seconds) {
  FullCost cost;
  const auto count = static_cast<double>(steps);
  if (plan.full_step_seconds > 0.0)
    cost.seconds = plan.full_step_seconds * count + evaluation_seconds;
  if (plan.full_step_flops > 0.0) cost.flops = plan.full_step_flops * count;
  return cost;
}

std::vector<Cell> row(Word name, const std::string& predicted, const std::string& measured,
    const std::string& full, const std::string& saving) {
  return {word_cell(words(text(name))), {predicted}, {measured}, {full}, {saving}};
}

std::string marked(const std::string& html, Word word) {
  return html == kDash ? html : html + tag(word);
}

std::string shown_if_known(
    double value, std::string (*show)(double, const std::string&), const std::string& path) {
  return std::isfinite(value) && value > 0.0 ? show(value, path) : std::string(kDash);
}

std::vector<std::vector<Cell>> rows_of(const RunData& run, const types::FreezePlan& plan) {
  const bool done = run.run.has_value();
  const double evaluation =
      done ? run.run->measured_seconds.evaluation : plan.predicted_seconds.evaluation;
  const FullCost full = full_cost(plan, done ? run.run->steps : plan.steps, evaluation);
  const types::Candidate* const chosen = plan.chosen();
  const bool is_full = plan.cut == 0 && plan.stages.empty() &&
                       (chosen == nullptr || chosen == &plan.candidates.full());
  const double spent = done ? run.run->measured_seconds.total() : plan.predicted_seconds.total();
  const types::CostBreakdown& predicted = plan.predicted_seconds;
  const double staged_step = (predicted.total() - predicted.evaluation - predicted.fixed) /
                             static_cast<double>(std::max<std::int64_t>(1, plan.steps));
  const double step = !plan.stages.empty() ? staged_step
                      : chosen == nullptr  ? kUnknown
                                           : chosen->step_seconds;
  const double took = done && run.run->tokens_per_second > 0.0 && run.run->steps > 0
                          ? static_cast<double>(run.run->tokens) / run.run->tokens_per_second /
                                static_cast<double>(run.run->steps)
                          : kUnknown;
  const std::string step_path =
      !plan.stages.empty() || chosen == nullptr
          ? ""
          : plan_path(run,
                "candidates[" + std::to_string(plan.candidates.place(*chosen)) + "].step_seconds");
  std::vector<std::vector<Cell>> rows;
  rows.push_back(row(Word::kTime,
      marked(shown_if_known(plan.predicted_seconds.total(), seconds, ""), Word::kEstimated),
      done ? marked(seconds(run.run->measured_seconds.total(), ""), Word::kMeasured) : kDash,
      is_full ? kDash : marked(shown_if_known(full.seconds, seconds, ""), Word::kEstimated),
      is_full ? kDash : saved(spent, full.seconds)));
  rows.push_back(
      row(Word::kStepTime, marked(shown_if_known(step, seconds, step_path), Word::kEstimated),
          marked(shown_if_known(took, seconds, ""), Word::kMeasured),
          is_full ? kDash
                  : marked(shown_if_known(plan.full_step_seconds, seconds,
                               plan_path(run, "full_step_seconds")),
                        Word::kEstimated),
          is_full ? kDash : saved(std::isfinite(took) ? took : step, plan.full_step_seconds)));
  rows.push_back(row(Word::kWork,
      marked(shown_if_known(plan.predicted_flops.total(), flops, ""), Word::kEstimated),
      done ? marked(shown_if_known(run.run->flops, flops, "run.flops"), Word::kCounted) : kDash,
      is_full ? kDash : marked(shown_if_known(full.flops, flops, ""), Word::kEstimated),
      is_full ? kDash : saved(done ? run.run->flops : plan.predicted_flops.total(), full.flops)));
  return rows;
}

void add_memory(const RunData& run, std::vector<std::vector<Cell>>& rows) {
  if (!run.run) return;
  const types::RunRecord& record = *run.run;
  const auto add = [&rows](Word name, std::int64_t value, const char* path) {
    if (value > 0)
      rows.push_back(row(name, kDash, marked(bytes(value, path), Word::kMeasured), kDash, kDash));
  };
  add(Word::kMemory, record.peak_anonymous_bytes, "run.peak_anonymous_bytes");
  add(Word::kResident, record.peak_resident_bytes, "run.peak_resident_bytes");
  add(Word::kMapped, record.frozen_bytes_mapped, "run.frozen_bytes_mapped");
  if (record.cache && record.cache->flops_avoided > 0.0) {
    rows.push_back(row(Word::kAvoided, kDash,
        marked(flops(record.cache->flops_avoided, "run.cache.flops_avoided"), Word::kCounted),
        kDash, kDash));
  }
}

std::string beside_full(const RunData& run, const RunData& full) {
  const types::RunRecord& here = *run.run;
  const types::RunRecord& there = *full.run;
  std::vector<std::vector<Cell>> rows;
  const auto add = [&rows](
                       Word name, const std::string& mine, const std::string& other, double ratio) {
    rows.push_back({word_cell(words(text(name))), {marked(mine, Word::kMeasured)},
        {marked(other, Word::kMeasured)}, {ratio > 0 ? saved(ratio, 1.0) : kDash}});
  };
  const double mine = here.measured_seconds.total();
  const double other = there.measured_seconds.total();
  add(Word::kTime, seconds(mine, ""), seconds(other, ""), other > 0 ? mine / other : 0.0);
  const auto memory = static_cast<double>(there.peak_anonymous_bytes);
  add(Word::kMemory, bytes(here.peak_anonymous_bytes, "run.peak_anonymous_bytes"),
      bytes(there.peak_anonymous_bytes, ""),
      memory > 0 ? static_cast<double>(here.peak_anonymous_bytes) / memory : 0.0);
  return table({"", escape(run.name), words(text(Word::kFullMeasured), {escape(full.name)}),
                   words(text(Word::kSaved))},
      rows);
}

struct Phase {
  Word name;
  double types::CostBreakdown::*value;
  const char* field;
};
constexpr std::array<Phase, 8> kPhases = {{{Word::kPrefix, &types::CostBreakdown::prefix, "prefix"},
    {Word::kCacheRead, &types::CostBreakdown::cache, "cache"},
    {Word::kSuffixForward, &types::CostBreakdown::suffix_forward, "suffix_forward"},
    {Word::kHead, &types::CostBreakdown::head, "head"},
    {Word::kBackward, &types::CostBreakdown::backward, "backward"},
    {Word::kOptimizer, &types::CostBreakdown::optimizer, "optimizer"},
    {Word::kEvaluation, &types::CostBreakdown::evaluation, "evaluation"},
    {Word::kFixedCost, &types::CostBreakdown::fixed, "fixed"}}};

std::string phases(const RunData& run, const types::FreezePlan& plan) {
  std::vector<BarRow> rows;
  const types::CostBreakdown& predicted =
      run.run ? run.run->predicted_seconds : plan.predicted_seconds;
  const std::string prefix = run.run ? "run." : "plan.";
  for (const Phase& phase : kPhases) {
    BarRow bar{text(phase.name), {predicted.*phase.value},
        {seconds(predicted.*phase.value, prefix + "predicted_seconds." + phase.field)}};
    if (run.run) {
      bar.values.push_back(run.run->measured_seconds.*phase.value);
      bar.labels.push_back(
          seconds(bar.values.back(), std::string("run.measured_seconds.") + phase.field));
    }
    rows.push_back(std::move(bar));
  }
  std::vector<Text> legend{text(Word::kPredicted)};
  if (run.run) legend.push_back(text(Word::kMeasured));
  return bar_figure(text(Word::kWhereTime), legend, rows);
}

// One figure of a footprint; a dash where it is not known.
using FootprintFigure = std::string (*)(const types::Footprint&);

std::string energy_text(const types::Footprint& use) {
  return use.energy_joules ? number(*use.energy_joules / kJoulesPerWattHour, "", 3) + " Wh"
                           : std::string(kDash);
}

std::string carbon_text(const types::Footprint& use) {
  return use.gco2 ? number(*use.gco2, "", 3) + " g" : std::string(kDash);
}

std::string money_text(const types::Footprint& use) {
  return use.money ? number(*use.money, "", 3) + " " + escape(use.currency) : std::string(kDash);
}

std::string figure(const std::optional<types::Footprint>& use, FootprintFigure text) {
  if (!use) return kDash;
  return marked(text(*use),
      use->source == types::FigureSource::kMeasured ? Word::kMeasured : Word::kEstimated);
}

// What the figures rest on, one sentence each.
std::string bases(const types::Footprint& use) {
  std::string out;
  for (const std::string* basis : {&use.energy_basis, &use.gco2_basis, &use.money_basis}) {
    if (!basis->empty()) out += (out.empty() ? "" : "; ") + escape(*basis);
  }
  return out;
}

}  // namespace

std::vector<CostRow> external_costs(const RunData& run) {
  const std::optional<types::Footprint> none;
  const auto& predicted = run.run    ? run.run->predicted_footprint
                          : run.plan ? run.plan->footprint
                                     : none;
  const auto& measured = run.run ? run.run->measured_footprint : none;
  const auto& full = run.plan && run.plan->cut > 0 ? run.plan->full_footprint : none;
  const std::string missing = "<span class=\"soft\">" + words(text(Word::kNotRecorded)) + "</span>";
  std::vector<CostRow> rows;
  const auto add = [&](Word name, FootprintFigure shown, auto amount) {
    CostRow row{
        name, figure(predicted, shown), figure(measured, shown), figure(full, shown), kDash};
    if (row.measured == kDash && run.run) row.measured = missing;
    const auto& spent = measured ? measured : predicted;
    if (spent && full && amount(*spent) && amount(*full))
      row.saved = saved(*amount(*spent), *amount(*full));
    rows.push_back(row);
  };
  add(Word::kEnergy, energy_text, [](const types::Footprint& use) { return use.energy_joules; });
  add(Word::kCarbon, carbon_text, [](const types::Footprint& use) { return use.gco2; });
  add(Word::kMoney, money_text, [](const types::Footprint& use) { return use.money; });
  return rows;
}

std::string savings(const RunData& run, const Context& context) {
  if (!run.plan) return paragraph(words(text(Word::kNoPlan)));
  auto rows = rows_of(run, *run.plan);
  for (const CostRow& cost : external_costs(run))
    rows.push_back(row(cost.name, cost.predicted, cost.measured, cost.full, cost.saved));
  add_memory(run, rows);
  std::string out;
  if (run.plan->cut == 0 && !run.plan->lora) out += paragraph(words(text(Word::kIsFull)));
  out += table({"", words(text(Word::kPredicted)), words(text(Word::kMeasured)),
                   words(text(Word::kFullTuning)), words(text(Word::kSaved))},
      rows);
  const RunData* const full =
      run.plan->cut > 0 || run.plan->lora ? full_run(run, context.runs) : nullptr;
  if (full != nullptr) out += beside_full(run, *full);
  const std::string analysis =
      run.profile ? seconds(run.profile->seconds, "profile.seconds") : std::string(kDash);
  out += paragraph(words(text(Word::kSavingsNote), {analysis, analysis}), "why");
  const auto& use =
      run.run && run.run->measured_footprint ? run.run->measured_footprint : run.plan->footprint;
  if (use) out += paragraph(words(text(Word::kFootprintRestsOn), {bases(*use)}), "why");
  return out + phases(run, *run.plan);
}

}  // namespace salf::report
