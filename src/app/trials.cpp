#include "app/trials.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <functional>
#include <numeric>
#include <optional>
#include <utility>

#include "app/document_losses.h"
#include "app/planning.h"
#include "core/clock.h"
#include "core/error.h"
#include "core/log.h"
#include "core/signals.h"
#include "core/statistics.h"
#include "core/text.h"
#include "cost/estimate.h"

namespace salf::app {
namespace {

constexpr double kTrialShare = 0.1;                   // of a budget, for all trials together
constexpr std::array<double, 2> kRates = {0.5, 2.0};  // times the rule's
constexpr double kOpeningSeconds = 3.0;               // reading the model again for an arm

using Losses = std::vector<train::DocumentLoss>;

// Keeps the documents' losses of the last evaluation.
class LastLosses : public train::RunObserver {
 public:
  void step(const train::StepMetrics& /*metrics*/) override {}
  void evaluation(const types::DevEvaluation& /*evaluation*/, const Losses& documents) override {
    losses = documents;
  }

  Losses losses;
};

struct Difference {
  double mean = 0.0, error = 0.0;
};

// Mean of a − b per token over the same documents.
Difference paired(const Losses& a, const Losses& b) {
  core::ClusteredMean difference;
  for (std::size_t i = 0; i < a.size(); ++i) difference.add(a[i].loss - b[i].loss, a[i].tokens);
  const double error = difference.estimate().standard_error;
  return {difference.estimate().mean, std::isfinite(error) ? error : 0.0};
}

class TrialRunner {
 public:
  TrialRunner(const ArmSetup& setup, const ModelSession& session, types::TrialTable& table,
      core::Progress& progress)
      : setup_(setup), runs_(setup, progress), session_(session), table_(table),
        progress_(progress) {}

  void measure_before(std::optional<train::MeasuredLosses> known) {
    const std::vector<std::int64_t> dev = runs_.dev_documents();
    if (dev.empty())
      throw Error(ErrorKind::kBadInput,
          table_.provenance.data + ": the dev split has no documents to compare arms on");
    if (!known)
      known = measure_losses(
          session_, setup_.dataset, dev, setup_.batch, setup_.model.dtype, progress_);
    if (!known) throw ArmStopped{};
    before_ = std::move(known->documents);
    table_.loss_before = known->evaluation.loss.value;
    table_.dev_documents = static_cast<std::int64_t>(before_.size());
    table_.shape = session_.shape();
  }

  void run(const TrialRequest& wanted) {
    const BenchArm arm = parse_arm(wanted.name);
    const core::Stopwatch watch;
    const Losses losses = run_at(arm, 1.0, [&](const Outcome& outcome) { add(arm, outcome); });
    for (const double factor : wanted.rates) {
      if (factor == 1.0) continue;
      run_at(arm, factor, [&](const Outcome& outcome) {
        const Difference delta = paired(outcome.losses, losses);
        table_.arms.back().rates.push_back(
            {factor, outcome.record.best->loss, delta.mean, delta.error});
      });
    }
    table_.arms.back().seconds = watch.seconds();
  }

 private:
  struct Outcome {
    std::int64_t cut = 0;
    const types::RunRecord& record;
    const Losses& losses;
  };

  Losses run_at(
      const BenchArm& arm, double factor, const std::function<void(const Outcome&)>& done) {
    const std::string name =
        arm_text(arm) +
        (factor == 1.0 ? "" : " at " + core::format_number(factor) + " times the rule's rate");
    LastLosses last;
    const ArmRun run{arm, arm_cut(arm, session_.shape().blocks), setup_.model.seed, factor,
        {table_.steps}, 1, {&last}};
    core::log_info("trial of " + name);
    runs_.run(run, [&](const types::RunRecord& record, const ModelSession& session) {
      if (record.status == types::RunStatus::kDiverged && factor != 1.0) return;
      if (record.status == types::RunStatus::kDiverged) {
        throw Error(ErrorKind::kBadModel,
            "the trial of " + name + " diverged: its loss was not finite after step " +
                std::to_string(record.steps) +
                "; leave out the arm, or check the data with salf data preview");
      }
      table_.tokens = record.tokens;
      table_.unique_tokens = std::min(record.tokens, runs_.train_rows(session).real_tokens());
      done({run.cut, record, last.losses});
    });
    return last.losses;
  }

  void add(const BenchArm& arm, const Outcome& outcome) {
    const auto& [cut, record, losses] = outcome;
    types::Trial tried;
    tried.name = arm_text(arm);
    tried.arm = arm.kind == ArmKind::kLora ? types::Arm::kLora
                : cut == 0                 ? types::Arm::kFull
                                           : types::Arm::kFreeze;
    tried.cut = cut;
    tried.learning_rate = record.learning_rate;
    tried.loss = record.best->loss;
    const Difference gain = paired(before_, losses);
    tried.gain = gain.mean;
    tried.gain_error = gain.error;
    if (first_.empty()) first_ = losses;
    const Difference delta = paired(losses, first_);
    tried.delta = delta.mean;
    tried.delta_error = delta.error;
    table_.arms.push_back(std::move(tried));
  }

  const ArmSetup& setup_;
  ArmRuns runs_;
  const ModelSession& session_;
  types::TrialTable& table_;
  core::Progress& progress_;
  Losses before_, first_;  // of the untouched model, and of the first arm
};

using Arms = std::vector<types::Candidate>;

// LoRA's best beside the plan's whole blocks, if LoRA was planned too.
std::optional<types::Candidate> rival(const types::FreezePlan& plan) {
  std::optional<types::Candidate> best;
  for (const types::Candidate& candidate : plan.candidates) {
    if (plan.lora || candidate.arm != types::Arm::kLora || !candidate.fits || !candidate.loss)
      continue;
    if (!best || candidate.loss->value < best->loss->value) best = candidate;
  }
  return best;
}

// Which arms tell most, the most first: LoRA needs full tuning beside it, which settles the level.
std::vector<Arms> sets_of_arms(const types::FreezePlan& plan) {
  const Arms same = plan.of_its_method();
  const std::int64_t deeper =
      std::min(plan.shape.blocks - 1, plan.cut + std::max<std::int64_t>(1, plan.shape.blocks / 5));
  if (deeper == plan.cut) return {};
  const types::Candidate& full = plan.candidates.front();
  const Arms two{*plan.chosen(), same[static_cast<std::size_t>(deeper)]};
  if (plan.lora) return {{full, two[0], two[1]}, {full, two[0]}};
  Arms three = two;
  if (plan.cut > 0) three.insert(three.begin(), full);
  std::vector<Arms> sets{three, two};
  if (const auto lora = rival(plan)) {
    three.push_back(*lora);
    sets.insert(sets.begin(), three);
  }
  return sets;
}

}  // namespace

void run_trials(const ArmSetup& setup, const std::vector<TrialRequest>& arms,
    const ModelSession& session, types::TrialTable& table,
    const std::optional<train::MeasuredLosses>& before, core::Progress& progress) {
  const core::Stopwatch watch;
  for (const auto& [name, rates] : arms) {
    const BenchArm arm = parse_arm(name);
    if (arm.masked() || arm.kind == ArmKind::kPlan) {
      throw Error(ErrorKind::kUsage,
          "--arms " + name +
              ": a trial is of a cut or of LoRA: full, half, cut:N, last:N or lora:N");
    }
    arm_cut(arm, session.shape().blocks);
  }
  TrialRunner runner(setup, session, table, progress);
  runner.measure_before(before);
  for (const TrialRequest& arm : arms) runner.run(arm);
  table.seconds = watch.seconds();
}

std::vector<TrialRequest> choose_trials(const types::FreezePlan& plan, bool rates) {
  const types::Candidate* const chosen = plan.chosen();
  if (plan.budget.deterministic() || chosen == nullptr) return {};
  const double evaluation =
      cost::evaluation_seconds(plan.cost, plan.shape.blocks, cost::dev_batch(plan.data));
  const auto seconds = [&](const types::Candidate& arm) {
    return kOpeningSeconds + evaluation +
           static_cast<double>(kTrialSteps) * arm.step_seconds /
               static_cast<double>(plan.accumulate);
  };
  const double share = kTrialShare * plan.clock_seconds();
  for (const Arms& arms : sets_of_arms(plan)) {
    const double all = std::accumulate(arms.begin(), arms.end(), evaluation,
        [&](double sum, const types::Candidate& arm) { return sum + seconds(arm); });
    if (all > share) continue;
    rates = rates && all + static_cast<double>(kRates.size()) * seconds(*chosen) <= share;
    std::vector<TrialRequest> trials;
    for (const types::Candidate& arm : arms) {
      trials.push_back({arm_text(arm_of(arm))});
      if (rates && arm.cut == chosen->cut && arm.arm == chosen->arm)
        trials.back().rates.assign(kRates.begin(), kRates.end());
    }
    return trials;
  }
  return {};
}

}  // namespace salf::app
