#include "bench_runs.h"

#include <algorithm>
#include <cmath>

#include "planning.h"
#include "salf/core/error.h"
#include "salf/core/files.h"
#include "salf/core/log.h"
#include "salf/core/signals.h"
#include "salf/core/text.h"
#include "salf/cost/estimate.h"
#include "salf/policy/learning_rate.h"
#include "salf/train/evaluate.h"

namespace salf::tools {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kEvaluations = 3;  // before, in the middle and at the end; of a trial at the end

double virtual_seconds(std::int64_t steps, const StepPrice& price, double steps_per_epoch) {
  const double first = std::min(static_cast<double>(steps), steps_per_epoch);
  return first * price.first + (static_cast<double>(steps) - first) * price.later;
}

}  // namespace

LoraStart bench_lora(const BenchOptions& options, const ModelSession& session) {
  return *start_lora(types::parse_lora(options.lora), "", session, static_cast<std::uint64_t>(options.model.seed));
}

data::Dataset BenchRuns::read_data(const ModelSession& session) const {
  return open_data(options_.data, session, options_.batch.pack > 0 ? 0 : options_.batch.batch_tokens, progress_);
}

data::Batcher BenchRuns::train_rows(const ModelSession& session, const data::Dataset& dataset) const {
  return {dataset, dataset.indices(data::Split::kTrain), options_.batch, session.tokenizer->padding_id().value_or(0)};
}

StepPrice BenchRuns::price(const BenchArm& arm, const BenchRow& row, const types::ModelShape& shape) const {
  return step_price(arm, row.eof, static_cast<std::uint64_t>(row.seed), options_.redraw, cost_of(arm), shape, record_.data);
}

types::FreezePlan BenchRuns::plan_of(const BenchArm& arm, const Length& length, const types::ModelShape& shape) const {
  const BenchRow& row = length.row;
  const StepPrice step = price(arm, row, shape);
  types::FreezePlan plan;
  plan.shape = shape;
  plan.data = record_.data;
  plan.cost = cost_of(arm);
  plan.rule = types::Rule::kFixed;
  plan.eof = row.eof;
  plan.batch_tokens = options_.batch.batch_tokens;
  plan.pack = options_.batch.pack;
  plan.steps = cost::steps_within(length.seconds, step.first, step.later, steps_per_epoch());
  if (plan.steps < 2) {
    throw Error(ErrorKind::kBudget, row_key(row) + ": " + core::format_seconds(length.seconds) + " on the virtual clock pay for " +
                                        std::to_string(plan.steps) + " steps; give more --minutes");
  }
  plan.budget = {static_cast<double>(plan.steps), types::BudgetUnit::kSteps};
  plan.epochs = static_cast<double>(plan.steps) / steps_per_epoch();
  plan.evaluations = 0;
  const std::int64_t as_cut = std::min(arm.masked() ? shape.blocks - arm.number : row.eof, shape.blocks - 1);
  plan.learning_rate =
      std::min(1.0, row.rate_factor * policy::learning_rate(shape, is_lora(arm) ? types::Arm::kLora : types::Arm::kFreeze, as_cut));
  return plan;
}

void BenchRuns::fill(BenchRow& row, const types::RunRecord& run, const StepPrice& price) const {
  row.learning_rate = run.learning_rate;
  row.steps = run.steps;
  row.tokens = run.tokens;
  row.supervised_tokens = run.supervised_tokens;
  row.unique_tokens = std::min(run.supervised_tokens, record_.data.supervised_tokens);
  row.seconds = run.measured_seconds.total();
  if (run.best) row.dev_loss = run.best->loss;
  row.virtual_seconds = virtual_seconds(run.steps, price, steps_per_epoch());
  if (run.status == types::RunStatus::kDiverged) core::log_warning(row_key(row) + ": diverged; its best weights are scored");
}

void BenchRuns::run(const BenchArm& arm, std::vector<Length> lengths, bool on_test,
                    const std::function<void(const BenchRow&)>& done) const {
  const ModelSession session = open_model(options_.model, true);
  const data::Dataset dataset = read_data(session);
  types::ModelShape shape = session.shape();
  if (is_lora(arm)) {
    const LoraStart lora = bench_lora(options_, session);
    shape.block_trained_parameters = trained_of_blocks(shape, lora);
    session.cut->use_lora(branches_above(lora.branches, lengths.back().row.eof));
  }
  types::FreezePlan plan = plan_of(arm, lengths.back(), shape);
  if (options_.dev_documents > 0) plan.evaluations = on_test ? kEvaluations : 1;
  const data::Batcher rows = train_rows(session, dataset);
  std::vector<std::int64_t> held_out;
  if (options_.dev_documents > 0) held_out = dev_documents(dataset, options_.dev_documents, static_cast<std::uint64_t>(options_.model.seed));
  const data::Batcher dev(dataset, held_out, options_.batch, session.tokenizer->padding_id().value_or(0));
  train::TrainInputs inputs{*session.model, *session.cut, rows, dev, plan, options_.train};
  inputs.options.patience = 0;  // equal budgets are spent
  inputs.options.checkpoint_seconds = 0.0;
  inputs.seed = static_cast<std::uint64_t>(lengths.back().row.seed);
  inputs.autocast = autocast_type(options_.model.dtype, session.device);
  inputs.folder = folder_ / "running";
  fs::create_directories(inputs.folder);
  if (arm.masked()) {
    inputs.blocks = [arm, blocks = shape.blocks, seed = inputs.seed, redraw = options_.redraw](std::int64_t step) {
      return arm_blocks(arm, blocks, seed, step, redraw);
    };
  }
  std::size_t next = 0;
  const auto finish = [&](const types::RunRecord& run) {
    BenchRow& row = lengths[next++].row;
    fill(row, run, price(arm, row, shape));
    if (on_test) score(session, dataset, row);
    done(row);
  };
  for (std::size_t i = 0; i + 1 < lengths.size(); ++i) inputs.branches.push_back(plan_of(arm, lengths[i], shape).steps);
  inputs.branched = finish;
  const types::RunRecord run = train::train(inputs, progress_);
  std::error_code ignored;
  fs::remove_all(inputs.folder, ignored);
  if (run.status == types::RunStatus::kInterrupted) throw BenchStopped{};
  // A trunk that diverged gives what it was to its longer lengths.
  while (next < lengths.size()) finish(run);
}

void BenchRuns::score(const ModelSession& session, const data::Dataset& dataset, BenchRow& row) const {
  std::vector<std::int64_t> documents = dataset.indices(data::Split::kTest);
  if (options_.test_documents > 0) {
    documents = data::sample_documents(dataset, data::Split::kTest, options_.test_documents,
                                       static_cast<std::uint64_t>(options_.model.seed));
  }
  if (documents.empty()) throw Error(ErrorKind::kBadInput, options_.data.data + ": the test split has no documents to score");
  const data::Batcher batcher(dataset, documents, options_.batch, session.tokenizer->padding_id().value_or(0));
  std::vector<train::DocumentLoss> sums;
  train::EvaluateOptions how;
  how.autocast = autocast_type(options_.model.dtype, session.device);
  how.keep_going = [] { return core::stop_signal() == 0; };
  how.documents = &sums;
  const auto evaluation = train::evaluate(*session.cut, batcher, how, progress_);
  if (!evaluation) throw BenchStopped{};
  row.test_loss = evaluation->loss.value;
  if (std::isfinite(evaluation->standard_error)) row.test_se = evaluation->standard_error;
  DocumentLosses losses;
  for (const auto& sum : sums) {
    losses.document.push_back(sum.document);
    losses.loss.push_back(sum.loss);
    losses.tokens.push_back(sum.tokens);
  }
  fs::create_directories(folder_ / "losses");
  core::write_document(folder_ / "losses" / (row_key(row) + ".json"), losses);
}

}  // namespace salf::tools
