#include "app/evidence/arm_runs.h"

#include <algorithm>
#include <system_error>

#include "app/evidence/trunk.h"
#include "distributed/group.h"
#include "policy/learning_rate.h"

namespace salf::app {
namespace {

namespace fs = std::filesystem;

types::FreezePlan plan_of(const ArmRun& run, const Session& session, const types::ModelShape& shape,
    const data::Batcher& rows, const distributed::Group* ranks) {
  types::FreezePlan plan;
  if (ranks != nullptr) plan.shards = plan.accumulate = ranks->size();
  plan.shape = shape;
  plan.rule = types::Rule::kFixed;
  plan.cut = run.cut;
  plan.batch_tokens = session.batch.tokens();
  plan.pack = session.batch.pack;
  plan.steps = run.steps.back();
  plan.budget = {static_cast<double>(plan.steps), types::BudgetUnit::kSteps};
  plan.evaluations = run.evaluations;
  const std::int64_t as_cut =
      std::min(run.arm.masked() ? shape.blocks - run.arm.number : run.cut, shape.blocks - 1);
  const types::Arm arm = run.arm.kind == ArmKind::kLora ? types::Arm::kLora : types::Arm::kFreeze;
  const double epochs = static_cast<double>(plan.steps * plan.accumulate) /
                        static_cast<double>(std::max<std::size_t>(1, rows.in_order().size()));
  plan.learning_rate =
      std::min(1.0, run.rate_factor * policy::learning_rate(shape, arm, as_cut, epochs));
  return plan;
}

}  // namespace

LoraStart arm_lora(const std::string& lora, const Session& session) {
  return new_lora(types::parse_lora(lora), session);
}

bool run_arm(
    const ArmSetup& setup, const ArmRun& run, const ArmDone& done, core::Progress& progress) {
  Session session =
      open_model(setup.session.options, true, AdapterUse::kMerge, /*scratch=*/{}, setup.ranks);
  share_data(session, setup.session);
  types::ModelShape shape = session.shape();
  if (run.arm.kind == ArmKind::kLora) {
    const LoraStart lora = arm_lora(setup.lora, session);
    shape.block_trained_parameters = trained_of_blocks(shape, lora);
    session.graph = session.graph->with_lora(branches_above(lora.branches, run.cut));
  }
  data::Batcher rows = session.train_rows();
  const types::FreezePlan plan = plan_of(run, session, shape, rows, setup.ranks);
  rows.deal(plan.shards.value_or(1));
  const data::Batcher dev =
      session.rows(setup.dev_documents > 0 ? session.dev_documents(setup.dev_documents)
                                           : std::vector<std::int64_t>{});
  const fs::path folder =
      setup.folder / (setup.ranks == nullptr || setup.ranks->leads()
                             ? "running"
                             : "running-" + std::to_string(setup.ranks->rank()));
  const auto seed = static_cast<std::uint64_t>(run.seed);
  const train::RunInputs inputs{{*session.model, *session.graph, rows, dev, plan},
      {setup.train, seed}, {folder}, setup.ranks};
  fs::create_directories(folder);
  Trunk trunk{run.steps, {}, run.observers};
  if (run.arm.masked()) {
    trunk.blocks = [&](std::int64_t step) {
      return arm_blocks(run.arm, shape.blocks, seed, step, setup.redraw);
    };
  }
  const types::RunStatus status = run_trunk(
      inputs, trunk, [&](const types::RunRecord& record) { done(record, session); }, progress);
  std::error_code ignored;
  fs::remove_all(folder, ignored);
  return status != types::RunStatus::kInterrupted;
}

}  // namespace salf::app
