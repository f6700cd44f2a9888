// run.json, the record of a training run: options, progress, results, predicted and measured costs.
#pragma once

#include "core/json.h"
#include "types/freeze_plan.h"
#include "types/gate.h"
#include "types/stage.h"

// A core::Json member keeps any keys: RunRecord::options belongs to the trainer, which reads it
// into its own struct, where unknown keys are errors.
namespace salf::core {
template <>
inline void from_json<Json>(const Json& json, const std::string& /*where*/, Json& value) {
  value = json;
}
}  // namespace salf::core

namespace salf::types {

// Why a run ended. running: it has not ended, or was killed.
enum class RunStatus {
  kRunning,
  kFinished,
  kStoppedEarly,
  kBudgetReached,
  kInterrupted,
  kDiverged,
  kGateFailed
};
inline std::vector<core::EnumName<RunStatus>> enum_names(RunStatus) {
  return {{RunStatus::kRunning, "running"},
      {RunStatus::kFinished, "finished"},           // all planned steps
      {RunStatus::kStoppedEarly, "stopped-early"},  // the dev loss no longer fell
      {RunStatus::kBudgetReached,
          "budget-reached"},                     // fewer steps than planned: the budget was spent
      {RunStatus::kInterrupted, "interrupted"},  // SIGINT or SIGTERM, saved
      {RunStatus::kDiverged, "diverged"},        // loss not finite; the last good weights are kept
      {RunStatus::kGateFailed,
          "gate-failed"}};  // a quality gate did; the last good weights are kept
}

// The number format of cached states at the cut.
enum class CacheType { kFloat32, kBFloat16 };
inline std::vector<core::EnumName<CacheType>> enum_names(CacheType) {
  return {{CacheType::kFloat32, "f32"}, {CacheType::kBFloat16, "bf16"}};
}

// Use of the prefix cache, training and dev rows together. After a resume, all fields but
// flops_avoided are of the last process.
struct CacheUse {
  CacheType dtype = CacheType::kFloat32;
  std::int64_t bytes = 0;          // of all rows' states, on disk
  std::int64_t rows = 0;           // documents or packed blocks
  bool complete = false;           // whether the states of all rows were there in the end
  std::int64_t rows_computed = 0;  // states that the frozen part was run for
  std::int64_t rows_read = 0;      // states that came from the file instead
  double flops_avoided = 0.0;      // of training steps: forward passes of the frozen part not run

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    visit("dtype", self.dtype);
    visit(Field{"bytes"}.range(0, 1e18), self.bytes);
    visit(Field{"rows"}.range(0, 1e15), self.rows);
    visit("complete", self.complete);
    visit(Field{"rows_computed"}.range(0, 1e15), self.rows_computed);
    visit(Field{"rows_read"}.range(0, 1e15), self.rows_read);
    visit(Field{"flops_avoided"}.range(0, 1e40), self.flops_avoided);
  }
};

// A step's products with weight matrices, timed alone in the same process: a lower bound of a step.
struct MatrixProducts {
  double seconds = 0.0;        // of one step's products
  double flops = 0.0;          // 2 per multiply-add
  double share_of_step = 0.0;  // seconds / those of the median step with as many tokens

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    visit(Field{"seconds"}.range(0, 1e12), self.seconds);
    visit(Field{"flops"}.range(0, 1e40), self.flops);
    visit(Field{"share_of_step"}.range(0, 1e6), self.share_of_step);
  }
};

// The result of a pilot: a run on a sample that predicts the whole run.
struct PilotRecord {
  double share = 0.0;          // of the documents, and of budgets that are amounts
  std::int64_t documents = 0;  // in the sample, all splits together
  std::int64_t all_documents = 0;
  // The plan for all documents and the whole budget (full-plan.json).
  std::int64_t full_cut = 0;
  std::int64_t full_steps = 0;
  double full_seconds = 0.0;  // predicted from the pilot's timed batches, everything included
  double full_flops = 0.0;
  // Measured / predicted seconds of a pilot's step; nothing without steps.
  std::optional<double> pace{};
  // The prediction at that pace: other steps for a budget by the clock, another time for others.
  std::optional<std::int64_t> full_steps_at_pace{};
  std::optional<double> full_seconds_at_pace{};

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    visit(Field{"share"}.range(0, 1), self.share);
    visit(Field{"documents"}.range(0, 1e12), self.documents);
    visit(Field{"all_documents"}.range(0, 1e12), self.all_documents);
    visit(Field{"full_eof"}.range(0, 1e5), self.full_cut);
    visit(Field{"full_steps"}.range(0, 1e15), self.full_steps);
    visit(Field{"full_seconds"}.range(0, 1e12), self.full_seconds);
    visit(Field{"full_flops"}.range(0, 1e40), self.full_flops);
    visit(Field{"pace"}.range(0, 1e9), self.pace);
    visit(Field{"full_steps_at_pace"}.range(0, 1e15), self.full_steps_at_pace);
    visit(Field{"full_seconds_at_pace"}.range(0, 1e15), self.full_seconds_at_pace);
  }
};

struct RunRecord {
  static constexpr const char* kSchema = "salf.run/1";

  Provenance provenance;
  core::Json options = core::Json::object();  // every resolved option of the trainer
  std::uint64_t seed = 0;
  FreezePlan plan;

  RunStatus status = RunStatus::kRunning;
  std::int64_t exit_signal = 0;  // the signal that stopped the run, 0 for none
  std::string unused;  // why more than a tenth of a budget by the clock was left, one sentence; "":
                       // it was not
  std::int64_t steps = 0;  // optimizer steps done
  double epochs = 0.0;
  std::int64_t tokens = 0;  // real tokens trained on
  std::int64_t supervised_tokens = 0;
  double learning_rate = 0.0;  // at the schedule's height
  // The step at which the linear cooldown began (or was to begin); what a replay needs besides the
  // options.
  std::optional<std::int64_t> cooldown_start_step;

  std::vector<DevEvaluation> evaluations;  // in the order of steps
  std::optional<DevEvaluation> before;     // untouched model
  std::optional<DevEvaluation> after;      // last weights
  std::optional<DevEvaluation> best;       // the weights that were kept
  std::vector<Gate> gates;                 // in the order in which they were given
  std::optional<PilotRecord> pilot;        // of a run on a sample (train --pilot)
  std::vector<StageRecord>
      stages;  // in their order; none of a run whose cut was one from the start

  CostBreakdown predicted_seconds;
  CostBreakdown measured_seconds;
  // Energy, CO2 and money, before and after; older records have none.
  std::optional<Footprint> predicted_footprint;
  std::optional<Footprint> measured_footprint;
  double predicted_flops = 0.0;
  // Counted by the same formulas for the steps done, with the frozen part run once per row.
  double flops = 0.0;
  double tokens_per_second = 0.0;  // of the training steps alone
  double flops_per_second = 0.0;
  std::optional<MatrixProducts> matrix_products;  // by --measure-products
  std::int64_t peak_resident_bytes = 0;           // ru_maxrss: libraries and mapped files included
  // The largest RssAnon that was seen; of a run on a GPU the most that its tensors held there.
  std::int64_t peak_anonymous_bytes = 0;
  std::optional<CacheUse> cache;  // nothing where the frozen part ran each time
  // Frozen weights that lay in a mapped file instead of anonymous memory; of a run on a GPU those
  // that lay on the host in the end.
  std::int64_t frozen_bytes_mapped = 0;
  // Kept for the backward pass by the frozen part; nothing where nothing is frozen. Each step
  // checks that the state at the cut has no history.
  std::optional<std::int64_t> activation_bytes_below_cut;

  // The cut at the end of the run: deeper than the plan's if a stage stayed.
  std::int64_t cut() const { return stages.empty() ? plan.cut : stages.back().cut; }

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    visit("provenance", self.provenance);
    visit("options", self.options);
    visit("seed", self.seed);
    visit("plan", self.plan);
    visit("status", self.status);
    visit(Field{"exit_signal"}.range(0, 128), self.exit_signal);
    visit("unused", self.unused);
    visit(Field{"steps"}.range(0, 1e15), self.steps);
    visit(Field{"epochs"}.range(0, 1e15), self.epochs);
    visit(Field{"tokens"}.range(0, 1e15), self.tokens);
    visit(Field{"supervised_tokens"}.range(0, 1e15), self.supervised_tokens);
    visit(Field{"learning_rate"}.range(0, 1), self.learning_rate);
    visit(Field{"cooldown_start_step"}.range(0, 1e15), self.cooldown_start_step);
    visit("evaluations", self.evaluations);
    visit("before", self.before);
    visit("after", self.after);
    visit("best", self.best);
    visit("gates", self.gates);
    visit("pilot", self.pilot);
    visit("stages", self.stages);
    visit("predicted_seconds", self.predicted_seconds);
    visit("measured_seconds", self.measured_seconds);
    visit("predicted_footprint", self.predicted_footprint);
    visit("measured_footprint", self.measured_footprint);
    visit(Field{"predicted_flops"}.range(0, 1e40), self.predicted_flops);
    visit(Field{"flops"}.range(0, 1e40), self.flops);
    visit(Field{"tokens_per_second"}.range(0, 1e15), self.tokens_per_second);
    visit(Field{"flops_per_second"}.range(0, 1e30), self.flops_per_second);
    visit("matrix_products", self.matrix_products);
    visit(Field{"peak_resident_bytes"}.range(0, 1e18), self.peak_resident_bytes);
    visit(Field{"peak_anonymous_bytes"}.range(0, 1e18), self.peak_anonymous_bytes);
    visit("cache", self.cache);
    visit(Field{"frozen_bytes_mapped"}.range(0, 1e18), self.frozen_bytes_mapped);
    visit(Field{"activation_bytes_below_cut"}.range(0, 1e18), self.activation_bytes_below_cut);
  }
};

}  // namespace salf::types
