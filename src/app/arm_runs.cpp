#include "app/arm_runs.h"

#include <algorithm>
#include <utility>

#include "app/bench_driver.h"
#include "app/planning.h"
#include "core/error.h"
#include "policy/learning_rate.h"

namespace salf::app {
namespace {

namespace fs = std::filesystem;

types::FreezePlan plan_of(const ArmRun& run, const types::ModelShape& shape,
    const data::BatchOptions& batch, const data::Batcher& rows) {
  types::FreezePlan plan;
  plan.shape = shape;
  plan.rule = types::Rule::kFixed;
  plan.cut = run.cut;
  plan.batch_tokens = batch.batch_tokens;
  plan.pack = batch.pack;
  plan.steps = run.steps.back();
  plan.budget = {static_cast<double>(plan.steps), types::BudgetUnit::kSteps};
  plan.evaluations = run.evaluations;
  const std::int64_t as_cut =
      std::min(run.arm.masked() ? shape.blocks - run.arm.number : run.cut, shape.blocks - 1);
  const types::Arm arm = run.arm.kind == ArmKind::kLora ? types::Arm::kLora : types::Arm::kFreeze;
  const double epochs = static_cast<double>(plan.steps) /
                        static_cast<double>(std::max<std::size_t>(1, rows.in_order().size()));
  plan.learning_rate =
      std::min(1.0, run.rate_factor * policy::learning_rate(shape, arm, as_cut, epochs));
  return plan;
}

}  // namespace

LoraStart arm_lora(const std::string& lora, const ModelSession& session, std::uint64_t seed) {
  return *start_lora(types::parse_lora(lora), "", session, seed);
}

types::DataShape training_shape(
    const data::Batcher& batcher, std::int64_t documents, std::uint64_t seed) {
  types::DataShape shape;
  add_training_shape(batcher, seed, shape);
  shape.documents = documents;
  if (shape.batches == 0) throw Error(ErrorKind::kBadInput, "the train split has no documents");
  return shape;
}

data::Batcher ArmRuns::train_rows(const ModelSession& session) const {
  return train_batcher(session, setup_.dataset, setup_.batch);
}

std::vector<std::int64_t> ArmRuns::dev_documents() const {
  if (setup_.dev_documents == 0) return {};
  return app::dev_documents(setup_.dataset, setup_.dev_documents);
}

void ArmRuns::run(const ArmRun& run, const Done& done) const {
  ModelSession session = open_model(setup_.model, true);
  expect_rows(session, setup_.dataset, setup_.batch);
  types::ModelShape shape = session.shape();
  if (run.arm.kind == ArmKind::kLora) {
    const LoraStart lora = arm_lora(setup_.lora, session, seed());
    shape.block_trained_parameters = trained_of_blocks(shape, lora);
    session.graph = session.graph->with_lora(branches_above(lora.branches, run.cut));
  }
  const data::Batcher rows = train_rows(session);
  const types::FreezePlan plan = plan_of(run, shape, setup_.batch, rows);
  const data::Batcher dev(
      setup_.dataset, dev_documents(), setup_.batch, session.tokenizer->padding_id().value_or(0));
  train::RunInputs inputs{{*session.model, *session.graph, rows, dev, plan}};
  inputs.how = {setup_.train, static_cast<std::uint64_t>(run.seed),
      autocast_type(setup_.model.dtype, session.device)};
  inputs.where.folder = setup_.folder / "running";
  fs::create_directories(inputs.where.folder);
  Trunk trunk{run.steps, {}, run.observers};
  if (run.arm.masked()) {
    trunk.blocks = [&](std::int64_t step) {
      return arm_blocks(run.arm, shape.blocks, inputs.how.seed, step, setup_.redraw);
    };
  }
  const auto status = run_trunk(
      inputs, trunk, [&](const types::RunRecord& record) { done(record, session); }, progress_);
  std::error_code ignored;
  fs::remove_all(inputs.where.folder, ignored);
  if (status == types::RunStatus::kInterrupted) throw ArmStopped{};
}

}  // namespace salf::app
