// The calls that tune.
#include "app/training/training.h"

#include "api/calls.h"
#include "core/clock.h"
#include "core/error.h"
#include "types/validate.h"

namespace salf {
namespace {

// Shows a run's losses to an observer.
class ObservedRun : public train::RunObserver {
 public:
  explicit ObservedRun(Observer& observer) : observer_(observer) {}
  void step(const train::StepMetrics& metrics) override {
    observer_.step(metrics.step, metrics.loss);
  }
  void evaluation(const types::DevEvaluation& evaluation,
      const std::vector<train::DocumentLoss>& /*documents*/) override {
    observer_.evaluation(evaluation.step, evaluation.loss);
  }

 private:
  Observer& observer_;
};

RunStatus status_of(types::RunStatus status) {
  switch (status) {
    case types::RunStatus::kFinished: return RunStatus::kFinished;
    case types::RunStatus::kStoppedEarly: return RunStatus::kStoppedEarly;
    case types::RunStatus::kBudgetReached: return RunStatus::kBudgetReached;
    case types::RunStatus::kInterrupted: return RunStatus::kInterrupted;
    case types::RunStatus::kDiverged: return RunStatus::kDiverged;
    case types::RunStatus::kGateFailed: return RunStatus::kGateFailed;
    case types::RunStatus::kRunning: break;
  }
  throw Error(ErrorKind::kInternal, "a run ended without a status");
}

Run run(const app::TrainingRequest& request, Observer* observer) {
  std::vector<train::RunObserver*> observers;
  std::optional<ObservedRun> observed;
  if (observer != nullptr) observers.push_back(&observed.emplace(*observer));
  api::ObservedProgress progress(observer);
  core::restart_process_seconds();
  const types::RunRecord record = api::unless_stopped(app::train(request, observers, progress));
  Run run{status_of(record.status), record.steps, record.measured_seconds.total(), {}, {},
      api::document_text(record)};
  if (record.before) run.loss_before = record.before->loss;
  if (record.best) run.loss = record.best->loss;
  return run;
}

}  // namespace

Run Session::train(const Plan& plan, const TrainOptions& options) {
  app::RunOptions what;
  what.model = impl_->session.options;
  what.data = impl_->data;
  what.batch = impl_->session.batch;
  what.gates = options.gates;
  what.output = options.folder;
  api::complete("train", options.more, what.frozen, what.planning, what.train);
  api::refuse("train", what.problems());
  auto given = core::document_from<types::FreezePlan>(core::parse_json(plan.json, "plan"), "plan");
  types::check(given, "plan");
  app::check_made_for(given.provenance, impl_->session, "plan");
  app::TrainingRequest request = app::training_request(what);
  request.plan = std::move(given);
  request.replace = options.replace;
  return run(request, options.observer);
}

Run resume(const std::string& folder, Observer* observer) {
  app::RunOptions what;
  what.resume = folder;
  return run(app::training_request(what), observer);
}

}  // namespace salf
