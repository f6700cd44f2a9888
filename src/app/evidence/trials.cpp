#include "app/evidence/trials.h"

#include <algorithm>
#include <cmath>

#include "app/evidence/arm_runs.h"
#include "app/evidence/evaluation.h"
#include "core/clock.h"
#include "core/error.h"
#include "core/log.h"
#include "core/statistics.h"
#include "core/text.h"
#include "types/validate.h"

namespace salf::app {
namespace {

using Losses = std::vector<train::DocumentLoss>;

// Keeps the documents' losses of the last evaluation.
class LastLosses : public train::RunObserver {
 public:
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

class Trials {
 public:
  Trials(const TrialSetup& setup, core::Progress& progress)
      : setup_(setup), arms_{setup.session, setup.train, setup.lora, setup.dev_documents,
                           setup.folder},
        progress_(progress) {
    arms_.ranks = setup.ranks;
    table.steps = setup.steps;
    table.provenance = setup.session.provenance();
    table.shape = setup.session.shape();
  }

  // Each of these is false once a signal stops it.
  bool measure_before(std::optional<train::MeasuredLosses> known) {
    const std::vector<std::int64_t> dev = setup_.session.dev_documents(setup_.dev_documents);
    if (dev.empty()) {
      throw Error(ErrorKind::kBadInput,
          table.provenance.data + ": the dev split has no documents to compare arms on");
    }
    if (!known) known = measure_losses(setup_.session, dev, progress_, setup_.ranks);
    if (!known) return false;
    before_ = std::move(known->documents);
    table.loss_before = known->evaluation.loss.value;
    table.dev_documents = static_cast<std::int64_t>(before_.size());
    return true;
  }

  bool run(const TrialRequest& wanted) {
    const BenchArm arm = parse_arm(wanted.name);
    const core::Stopwatch watch;
    const std::optional<Outcome> outcome = run_at(arm, 1.0);
    if (!outcome) return false;
    add(arm, *outcome);
    for (const double factor : wanted.rates) {
      if (factor == 1.0) continue;
      const std::optional<Outcome> other = run_at(arm, factor);
      if (!other) return false;
      if (other->diverged) continue;
      const Difference delta = paired(other->losses, outcome->losses);
      table.arms.back().rates.push_back({factor, other->loss, delta.mean, delta.error});
    }
    table.arms.back().seconds = watch.seconds();
    return true;
  }

  types::TrialTable table;

 private:
  struct Outcome {
    std::int64_t cut = 0;
    bool diverged = false;
    double learning_rate = 0.0, loss = 0.0;
    Losses losses;
  };

  std::optional<Outcome> run_at(const BenchArm& arm, double factor) {
    const std::string name =
        arm_text(arm) +
        (factor == 1.0 ? "" : " at " + core::format_number(factor) + " times the rule's rate");
    core::log_info("trial of " + name);
    LastLosses last;
    Outcome outcome;
    outcome.cut = arm_cut(arm, table.shape.blocks);
    const ArmRun run{
        arm, outcome.cut, setup_.session.options.seed, factor, {setup_.steps}, 1, {&last}};
    const auto done = [&](const types::RunRecord& record, const Session& session) {
      outcome.diverged = record.status == types::RunStatus::kDiverged;
      outcome.learning_rate = record.learning_rate;
      if (record.best) outcome.loss = record.best->loss;
      if (outcome.diverged && factor == 1.0) {
        throw Error(ErrorKind::kBadModel,
            "the trial of " + name + " diverged: its loss was not finite after step " +
                std::to_string(record.steps) +
                "; leave out the arm, or check the data with salf data preview");
      }
      if (outcome.diverged) return;
      table.tokens = record.tokens;
      table.unique_tokens = std::min(record.tokens, session.train_rows().real_tokens());
    };
    if (!run_arm(arms_, run, done, progress_)) return std::nullopt;
    outcome.losses = std::move(last.losses);
    return outcome;
  }

  void add(const BenchArm& arm, const Outcome& outcome) {
    const types::Arm method = arm.kind == ArmKind::kLora ? types::Arm::kLora
                              : outcome.cut == 0         ? types::Arm::kFull
                                                         : types::Arm::kFreeze;
    if (first_.empty()) first_ = outcome.losses;
    const Difference gain = paired(before_, outcome.losses);
    const Difference delta = paired(outcome.losses, first_);
    table.arms.push_back({arm_text(arm), method, outcome.cut, outcome.learning_rate, outcome.loss,
        gain.mean, gain.error, delta.mean, delta.error});
  }

  const TrialSetup& setup_;
  ArmSetup arms_;
  core::Progress& progress_;
  Losses before_, first_;  // of the untouched model, and of the first arm
};

void check_arms(const std::vector<TrialRequest>& arms, std::int64_t blocks) {
  for (const TrialRequest& wanted : arms) {
    const BenchArm arm = parse_arm(wanted.name);
    if (arm.masked() || arm.kind == ArmKind::kPlan) {
      throw Error(ErrorKind::kUsage,
          "--arms " + wanted.name +
              ": a trial is of a cut or of LoRA: full, half, cut:N, last:N or lora:N");
    }
    arm_cut(arm, blocks);
  }
}

}  // namespace

std::optional<types::TrialTable> run_trials(const TrialSetup& setup,
    const std::vector<TrialRequest>& arms, const std::optional<train::MeasuredLosses>& before,
    core::Progress& progress) {
  const core::Stopwatch watch;
  check_arms(arms, setup.session.shape().blocks);
  Trials trials(setup, progress);
  if (!trials.measure_before(before)) return std::nullopt;
  for (const TrialRequest& arm : arms) {
    if (!trials.run(arm)) return std::nullopt;
  }
  trials.table.seconds = watch.seconds();
  return std::move(trials.table);
}

std::optional<types::TrialTable> trials_of(
    const std::filesystem::path& file, const types::FreezePlan& plan) {
  if (!std::filesystem::exists(file)) return std::nullopt;
  types::TrialTable table = types::read_trials(file);
  const bool same = table.provenance.model_hash == plan.provenance.model_hash &&
                    table.provenance.same_dtype(plan.provenance) &&
                    table.provenance.data_hash == plan.provenance.data_hash;
  return same ? std::optional(std::move(table)) : std::nullopt;
}

}  // namespace salf::app
