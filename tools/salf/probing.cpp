#include "probing.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <functional>
#include <numeric>
#include <optional>
#include <utility>

#include "document_losses.h"
#include "planning.h"
#include "salf/core/clock.h"
#include "salf/core/error.h"
#include "salf/core/log.h"
#include "salf/core/signals.h"
#include "salf/core/statistics.h"
#include "salf/core/text.h"
#include "salf/cost/estimate.h"

namespace salf::tools {
namespace {

constexpr double kProbeShare = 0.1;      // of a budget, for all probes together
constexpr std::array<double, 2> kRates = {0.5, 2.0};  // times the rule's
constexpr double kOpeningSeconds = 3.0;  // reading the model again for an arm

using Losses = std::vector<train::DocumentLoss>;

// Keeps the documents' losses of the last evaluation.
class LastLosses : public train::RunObserver {
 public:
  void step(const train::StepMetrics& /*metrics*/) override {}
  void evaluation(const types::DevEvaluation& /*evaluation*/, const Losses& documents) override { losses = documents; }

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

class Prober {
 public:
  Prober(const ArmSetup& setup, const ModelSession& session, types::ProbeTable& table, core::Progress& progress)
      : setup_(setup), runs_(setup, progress), session_(session), table_(table), progress_(progress) {}

  void measure_before(std::optional<train::MeasuredLosses> known) {
    const std::vector<std::int64_t> dev = runs_.dev_documents();
    if (dev.empty()) throw Error(ErrorKind::kBadInput, table_.provenance.data + ": the dev split has no documents to compare arms on");
    if (!known) known = measure_losses(session_, setup_.dataset, dev, setup_.batch, setup_.model.dtype, progress_);
    if (!known) throw ArmStopped{};
    before_ = std::move(known->documents);
    table_.loss_before = known->evaluation.loss.value;
    table_.dev_documents = static_cast<std::int64_t>(before_.size());
    table_.shape = session_.shape();
  }

  void run(const ArmToProbe& wanted) {
    const BenchArm arm = parse_arm(wanted.name);
    const core::Stopwatch watch;
    const Losses losses = run_at(arm, 1.0, [&](const Outcome& outcome) { add(arm, outcome); });
    for (const double factor : wanted.rates) {
      if (factor == 1.0) continue;
      run_at(arm, factor, [&](const Outcome& outcome) {
        const Difference delta = paired(outcome.losses, losses);
        table_.arms.back().rates.push_back({factor, outcome.record.best->loss, delta.mean, delta.error});
      });
    }
    table_.arms.back().seconds = watch.seconds();
  }

 private:
  struct Outcome {
    std::int64_t eof = 0;
    const types::RunRecord& record;
    const Losses& losses;
  };

  Losses run_at(const BenchArm& arm, double factor, const std::function<void(const Outcome&)>& done) {
    const std::string name = arm_text(arm) + (factor == 1.0 ? "" : " at " + core::format_number(factor) + " times the rule's rate");
    LastLosses last;
    const ArmRun run{arm, arm_eof(arm, session_.shape().blocks), setup_.model.seed, factor, {table_.steps}, 1, {&last}};
    core::log_info("probe of " + name);
    runs_.run(run, [&](const types::RunRecord& record, const ModelSession& session) {
      if (record.status == types::RunStatus::kDiverged && factor != 1.0) return;
      if (record.status == types::RunStatus::kDiverged) {
        throw Error(ErrorKind::kBadModel, "the probe of " + name + " diverged: its loss was not finite after step " +
                                              std::to_string(record.steps) + "; leave out the arm, or check the data with salf data preview");
      }
      table_.tokens = record.tokens;
      table_.unique_tokens = std::min(record.tokens, runs_.train_rows(session).real_tokens());
      done({run.eof, record, last.losses});
    });
    return last.losses;
  }

  void add(const BenchArm& arm, const Outcome& outcome) {
    const auto& [eof, record, losses] = outcome;
    types::ProbedArm probed;
    probed.name = arm_text(arm);
    probed.arm = arm.kind == ArmKind::kLora ? types::Arm::kLora : eof == 0 ? types::Arm::kFull : types::Arm::kFreeze;
    probed.eof = eof;
    probed.learning_rate = record.learning_rate;
    probed.loss = record.best->loss;
    const Difference gain = paired(before_, losses);
    probed.gain = gain.mean;
    probed.gain_error = gain.error;
    if (first_.empty()) first_ = losses;
    const Difference delta = paired(losses, first_);
    probed.delta = delta.mean;
    probed.delta_error = delta.error;
    table_.arms.push_back(std::move(probed));
  }

  const ArmSetup& setup_;
  ArmRuns runs_;
  const ModelSession& session_;
  types::ProbeTable& table_;
  core::Progress& progress_;
  Losses before_, first_;  // of the untouched model, and of the first arm
};

using Arms = std::vector<types::Candidate>;

// LoRA's best beside the plan's whole blocks, if LoRA was planned too.
std::optional<types::Candidate> rival(const types::FreezePlan& plan) {
  std::optional<types::Candidate> best;
  for (const types::Candidate& candidate : plan.candidates) {
    if (plan.lora || candidate.arm != types::Arm::kLora || !candidate.fits || !candidate.loss) continue;
    if (!best || candidate.loss->value < best->loss->value) best = candidate;
  }
  return best;
}

// Which arms tell most, the most first: LoRA needs full tuning beside it, which settles the level.
std::vector<Arms> sets_of_arms(const types::FreezePlan& plan) {
  const Arms same = plan.of_its_method();
  const std::int64_t deeper = std::min(plan.shape.blocks - 1, plan.eof + std::max<std::int64_t>(1, plan.shape.blocks / 5));
  if (deeper == plan.eof) return {};
  const types::Candidate& full = plan.candidates.front();
  const Arms two{*plan.chosen(), same[static_cast<std::size_t>(deeper)]};
  if (plan.lora) return {{full, two[0], two[1]}, {full, two[0]}};
  Arms three = two;
  if (plan.eof > 0) three.insert(three.begin(), full);
  std::vector<Arms> sets{three, two};
  if (const auto lora = rival(plan)) {
    three.push_back(*lora);
    sets.insert(sets.begin(), three);
  }
  return sets;
}

}  // namespace

void probe_arms(const ArmSetup& setup, const std::vector<ArmToProbe>& arms, const ModelSession& session, types::ProbeTable& table,
                const std::optional<train::MeasuredLosses>& before, core::Progress& progress) {
  const core::Stopwatch watch;
  for (const auto& [name, rates] : arms) {
    const BenchArm arm = parse_arm(name);
    if (arm.masked() || arm.kind == ArmKind::kPlan) {
      throw Error(ErrorKind::kUsage, "--arms " + name + ": a probe is of a cut or of LoRA: full, half, cut:N, last:N or lora:N");
    }
    arm_eof(arm, session.shape().blocks);
  }
  Prober prober(setup, session, table, progress);
  prober.measure_before(before);
  for (const ArmToProbe& arm : arms) prober.run(arm);
  table.seconds = watch.seconds();
}

std::vector<ArmToProbe> arms_to_probe(const types::FreezePlan& plan, bool rates) {
  const types::Candidate* const chosen = plan.chosen();
  if (plan.budget.deterministic() || chosen == nullptr) return {};
  const double evaluation = cost::evaluation_seconds(plan.cost, plan.shape.blocks, cost::dev_batch(plan.data));
  const auto seconds = [&](const types::Candidate& arm) {
    return kOpeningSeconds + evaluation + static_cast<double>(kProbeSteps) * arm.step_seconds / static_cast<double>(plan.accumulate);
  };
  const double share = kProbeShare * plan.clock_seconds();
  for (const Arms& arms : sets_of_arms(plan)) {
    const double all = std::accumulate(arms.begin(), arms.end(), evaluation,
                                       [&](double sum, const types::Candidate& arm) { return sum + seconds(arm); });
    if (all > share) continue;
    rates = rates && all + static_cast<double>(kRates.size()) * seconds(*chosen) <= share;
    std::vector<ArmToProbe> probes;
    for (const types::Candidate& arm : arms) {
      probes.push_back({arm_text(arm_of(arm))});
      if (rates && arm.eof == chosen->eof && arm.arm == chosen->arm) probes.back().rates.assign(kRates.begin(), kRates.end());
    }
    return probes;
  }
  return {};
}

std::string probe_text(const types::ProbeTable& table) {
  std::string text = "loss before " + core::format_number(table.loss_before) + " on " + core::format_count(table.dev_documents) +
                     " dev documents; " + core::format_count(table.steps) + " steps an arm\n\n";
  text += "arm         frozen  learning rate    loss      gain +-se     to the first +-se\n";
  for (const types::ProbedArm& arm : table.arms) {
    std::array<char, 128> line{};
    std::snprintf(line.data(), line.size(), "%-12s%6lld%15.2e%8.4f%9.4f +-%.4f%11.4f +-%.4f\n", core::printable(arm.name, 12).c_str(),
                  static_cast<long long>(arm.eof), arm.learning_rate, arm.loss, arm.gain, arm.gain_error, arm.delta, arm.delta_error);
    text += line.data();
    for (const types::TriedRate& rate : arm.rates) {
      std::snprintf(line.data(), line.size(), "  rate x %-4.4g%22.2e%8.4f%20.4f +-%.4f to that\n", rate.factor, rate.factor * arm.learning_rate,
                    rate.loss, rate.delta, rate.delta_error);
      text += line.data();
    }
  }
  return text;
}

}  // namespace salf::tools
