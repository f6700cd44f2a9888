#include "train/run/trainer.h"

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <functional>
#include <limits>
#include <map>
#include <memory>

#include "core/error.h"
#include "core/json.h"
#include "core/log.h"
#include "core/signals.h"
#include "model/weights/lora.h"
#include "support/expect_error.h"
#include "support/sample_documents.h"
#include "train/run/checkpoint.h"
#include "train/run/stage.h"
#include "train/step/schedule.h"
#include "training_setup.h"

namespace salf::train {
namespace {

using types::BudgetUnit;
using types::RunStatus;

// The whole module under plain autograd with AdamW written out (Loshchilov and Hutter, algorithm
// 2).
class PlainLoop {
 public:
  explicit PlainLoop(const TinyRun& setup) : setup_(setup) {
    for (const auto& parameter : setup.model.parameters()) {
      parameter.tensor.requires_grad_(true);
      first_[parameter.name] = at::zeros_like(parameter.tensor, at::kDouble);
      second_[parameter.name] = at::zeros_like(parameter.tensor, at::kDouble);
    }
  }

  double step(const std::vector<tensor::Batch>& batches, double rate, const TrainOptions& options) {
    at::Tensor sum = at::zeros({}, at::kDouble);
    std::int64_t tokens = 0;
    for (const auto& batch : batches) {
      const at::Tensor logits = setup_.model.forward(batch).flatten(0, 1);
      sum = sum + at::cross_entropy_loss(logits, batch.labels.flatten(), {}, at::Reduction::Sum);
      tokens += batch.supervised_tokens;
    }
    const at::Tensor loss = sum / static_cast<double>(tokens);
    loss.backward();
    update(rate, options);
    return loss.item<double>();
  }

 private:
  void update(double rate, const TrainOptions& options) {
    const at::NoGradGuard quiet;
    ++steps_;
    double squares = 0.0;
    for (const auto& parameter : setup_.model.parameters()) {
      squares += parameter.tensor.grad().to(at::kDouble).square().sum().item<double>();
    }
    const double scale = std::min(1.0, options.clip / (std::sqrt(squares) + 1e-6));
    for (const auto& parameter : setup_.model.parameters()) {
      const at::Tensor gradient = parameter.tensor.grad().to(at::kDouble) * scale;
      at::Tensor& first = first_[parameter.name];
      at::Tensor& second = second_[parameter.name];
      first = options.beta1 * first + (1.0 - options.beta1) * gradient;
      second = options.beta2 * second + (1.0 - options.beta2) * gradient * gradient;
      const at::Tensor m = first / (1.0 - std::pow(options.beta1, steps_));
      const at::Tensor v = second / (1.0 - std::pow(options.beta2, steps_));
      at::Tensor change = m / (v.sqrt() + options.epsilon);
      if (parameter.tensor.dim() >= 2) change = change + options.weight_decay * parameter.tensor;
      parameter.tensor.sub_((change * rate).to(at::kFloat));
      parameter.tensor.mutable_grad() = at::Tensor();
    }
  }

  const TinyRun& setup_;
  std::map<std::string, at::Tensor> first_, second_;
  int steps_ = 0;
};

TEST(Trainer, FullFineTuningEqualsAPlainLoopOverTheWholeModule) {
  for (const bool tied : {true, false}) {
    TinyRun ours(tied, /*accumulate=*/2);
    ours.plan.steps = 20;
    ours.plan.budget.amount = 20.0;
    const TemporaryFolder folder;
    core::Progress progress;
    const TrainInputs inputs = ours.inputs(folder.path());
    train(inputs, progress);
    const std::vector<core::Json> steps = metrics(folder.path(), "loss");
    ASSERT_EQ(steps.size(), 20U);

    const TinyRun theirs(tied);
    PlainLoop loop(theirs);
    const Schedule schedule = schedule_for_steps(20);
    std::vector<tensor::Batch> stream;
    for (std::int64_t epoch = 0; stream.size() < 40; ++epoch) {
      for (const auto& plan : theirs.train_batches.epoch(inputs.run.how.seed, epoch)) {
        stream.push_back(theirs.train_batches.make(plan));
      }
    }
    for (std::size_t step = 0; step < 20; ++step) {
      const double rate = 0.01 * rate_factor(schedule, static_cast<std::int64_t>(step));
      const double loss =
          loop.step({stream[2 * step], stream[2 * step + 1]}, rate, inputs.run.how.options);
      EXPECT_NEAR(steps[step]["loss"].get<double>(), loss, 1e-5 * loss)
          << "tied " << tied << ", step " << step;
    }
    EXPECT_LT(steps.back()["loss"].get<double>(), 0.8 * steps.front()["loss"].get<double>());
  }
}

TEST(Trainer, TakesTheEvaluationBeforeTheFirstStepFromElsewhere) {
  TinyRun setup;
  setup.plan.cut = 2;
  const TemporaryFolder folder;
  TrainInputs inputs = setup.inputs(folder.path());
  core::Progress progress;
  MeasuredLosses before = evaluate(setup.graph, setup.dev_batches, {}, progress);
  const double loss = before.evaluation.loss.value;
  before.evaluation.loss.value += 1.0;  // to be told from another
  inputs.before = before;
  const types::RunRecord record = train(inputs, progress);
  ASSERT_TRUE(record.before);
  EXPECT_EQ(record.before->loss, loss + 1.0);
  EXPECT_EQ(record.evaluations.size(), 3U);
  EXPECT_EQ(metrics(folder.path(), "dev_loss").front()["dev_loss"], loss + 1.0);
  EXPECT_LT(record.best->loss, loss);
  // The cache that it would have filled is filled by the next one.
  EXPECT_NEAR(evaluate(setup.graph, setup.dev_batches, {}, progress).evaluation.loss.value,
      record.best->loss, 1e-6);
}

TEST(Trainer, FilesWithoutANameLieInTheScratchFolder) {
  TinyRun setup;
  setup.plan.cut = 2;
  const TemporaryFolder folder;
  TrainInputs inputs = setup.inputs(folder.path());
  inputs.run.where.scratch = folder / "scratch";
  core::Progress progress;
  EXPECT_FALSE(train(inputs, progress).cache);  // without the folder nothing is kept
  std::filesystem::create_directory(folder / "scratch");
  EXPECT_TRUE(train(inputs, progress).cache);
  EXPECT_TRUE(std::filesystem::is_empty(folder / "scratch"));
}

TEST(Trainer, FrozenParametersKeepTheirBitsAndTheRestMoves) {
  TinyRun setup;
  setup.plan.cut = 2;
  std::map<std::string, at::Tensor> before;
  for (const auto& parameter : setup.model.parameters())
    before[parameter.name] = parameter.tensor.clone();
  const TemporaryFolder folder;
  core::Progress progress;
  const types::RunRecord record = train(setup.inputs(folder.path()), progress);
  for (const auto& parameter : setup.model.parameters()) {
    const bool trained =
        parameter.name.rfind("model.layers.2.", 0) == 0 || parameter.name == "model.norm.weight";
    EXPECT_EQ(at::equal(parameter.tensor, before[parameter.name]), !trained) << parameter.name;
  }
  EXPECT_LT(record.best->loss, record.before->loss);
  EXPECT_GT(record.measured_seconds.prefix, 0.0);
  EXPECT_GT(record.measured_seconds.backward, 0.0);
  EXPECT_GT(record.peak_anonymous_bytes, 0);
  EXPECT_GE(record.peak_resident_bytes, record.peak_anonymous_bytes);
}

TEST(Trainer, RecordAndMetricsTellTheRun) {
  const TinyRun setup;
  const TemporaryFolder folder;
  core::Progress progress;
  const types::RunRecord record = train(setup.inputs(folder.path()), progress);
  EXPECT_EQ(record.status, RunStatus::kFinished);
  EXPECT_EQ(record.steps, 12);
  EXPECT_EQ(record.cooldown_start_step, schedule_for_steps(12).cooldown_start);
  ASSERT_EQ(record.evaluations.size(), 3U);
  EXPECT_EQ(record.evaluations[1].step, 6);
  EXPECT_EQ(record.after->step, 12);
  EXPECT_LE(record.best->loss, record.after->loss);
  const auto steps = metrics(folder.path(), "loss");
  ASSERT_EQ(steps.size(), 12U);
  EXPECT_EQ(steps.front()["step"], 1);
  EXPECT_EQ(steps.front()["epoch"], 0);
  EXPECT_EQ(steps.back()["tokens"], record.tokens);
  EXPECT_EQ(steps.back()["supervised_tokens"], record.supervised_tokens);
  EXPECT_DOUBLE_EQ(steps.back()["budget_spent"].get<double>(), 1.0);
  const auto evaluations = metrics(folder.path(), "dev_loss");
  ASSERT_EQ(evaluations.size(), 3U);
  EXPECT_EQ(evaluations.back()["step"], 12);
}

TEST(Trainer, BestEvaluatedWeightsAreKept) {
  TinyRun setup;
  setup.plan.steps = 60;
  setup.plan.budget.amount = 60.0;
  setup.plan.learning_rate = 5.0;  // far too much: the loss goes up
  const TemporaryFolder folder;
  core::Progress progress;
  const std::string before = setup.saved_bytes();
  const types::RunRecord record = train(setup.inputs(folder.path()), progress);
  ASSERT_EQ(record.best->step, 0) << "the test wants a run that gets worse";
  EXPECT_GT(record.evaluations.back().loss, record.best->loss);
  EXPECT_EQ(setup.saved_bytes(), before);
}

TEST(Trainer, StopsEarlyAfterPatience) {
  TinyRun setup;
  setup.plan.steps = 60;
  setup.plan.evaluations = 31;
  setup.plan.budget.amount = 60.0;
  setup.plan.learning_rate = 0.3;
  const TemporaryFolder folder;
  core::Progress progress;
  TrainInputs inputs = setup.inputs(folder.path());
  inputs.run.how.options.patience = 4;
  const types::RunRecord record = train(inputs, progress);
  EXPECT_EQ(record.status, RunStatus::kStoppedEarly);
  EXPECT_EQ(record.steps, record.best->step + 4 * 2);
}

struct Finished {
  std::string model;
  std::vector<std::string> lines;
  types::RunRecord record;
};

Finished uninterrupted(const TinyRun& setup) {
  const TemporaryFolder folder;
  core::Progress progress;
  Finished finished;
  finished.record = train(setup.inputs(folder.path()), progress);
  finished.model = setup.saved_bytes();
  finished.lines = timeless(folder.path());
  return finished;
}

TEST(Trainer, DeterministicBudgetGivesTheSameBytesTwice) {
  EXPECT_EQ(uninterrupted(TinyRun()).model, uninterrupted(TinyRun()).model);
}

// Each block is the same program on the same input, so its gradients have the same bits.
TEST(Trainer, RecomputationGivesTheSameWeights) {
  for (const std::int64_t cut : {0, 1}) {
    std::string models[2];
    for (const bool recompute : {false, true}) {
      TinyRun setup;
      setup.plan.cut = cut;
      const TemporaryFolder folder;
      core::Progress progress;
      TrainInputs inputs = setup.inputs(folder.path());
      inputs.run.how.options.recompute = recompute;
      EXPECT_EQ(train(inputs, progress).steps, 12);
      models[recompute ? 1 : 0] = setup.saved_bytes();
    }
    EXPECT_EQ(models[0], models[1]) << "eof " << cut;
  }
}

TEST(Trainer, MatrixProductsOfAStepAreTimed) {
  const TinyRun setup;
  const TemporaryFolder folder;
  core::Progress progress;
  TrainInputs inputs = setup.inputs(folder.path());
  EXPECT_FALSE(train(inputs, progress).matrix_products.has_value());
  inputs.run.how.options.measure_products = true;
  const TemporaryFolder other;
  inputs.run.where.folder = other.path();
  const types::RunRecord record = train(inputs, progress);
  ASSERT_TRUE(record.matrix_products.has_value());
  EXPECT_GT(record.matrix_products->seconds, 0.0);
  EXPECT_GT(record.matrix_products->flops, 0.0);
  EXPECT_GT(record.matrix_products->share_of_step, 0.0);
  EXPECT_GT(record.tokens_per_second, 0.0);
}

TEST(Trainer, InterruptedAndResumedIsAsIfNothingHadHappened) {
  const Finished whole = uninterrupted(TinyRun(true, 2));
  for (const std::int64_t when : {1, 6, 7, 11}) {
    const TemporaryFolder folder;
    {
      const TinyRun setup(true, 2);
      StopAt progress(when);
      const types::RunRecord record = train(setup.inputs(folder.path()), progress);
      EXPECT_EQ(record.status, RunStatus::kInterrupted);
      EXPECT_EQ(record.exit_signal, 15);
      EXPECT_EQ(record.steps, when);
    }
    const TinyRun setup(true, 2);
    core::Progress progress;
    TrainInputs inputs = setup.inputs(folder.path());
    inputs.resume = true;
    const types::RunRecord record = train(inputs, progress);
    EXPECT_EQ(record.status, RunStatus::kFinished);
    EXPECT_EQ(record.tokens, whole.record.tokens);
    EXPECT_EQ(setup.saved_bytes(), whole.model) << "stopped after step " << when;
    EXPECT_EQ(timeless(folder.path()), whole.lines) << "stopped after step " << when;
  }
}

// LoRA above block 1 of three.
std::vector<at::Tensor> use_lora(TinyRun& setup) {
  setup.plan.cut = 1;
  setup.plan.lora.emplace();
  std::vector<model::LinearLayer> layers;
  for (const auto& layer : setup.graph.linear_layers()) {
    if (layer.block >= 1) layers.push_back(layer);
  }
  setup.graph = setup.graph.with_lora(model::make_lora(setup.model, layers, {2, 4.0, false}, 1));
  std::vector<at::Tensor> branches;
  for (const auto& parameter : model::lora_parameters(setup.graph.lora()))
    branches.push_back(parameter.tensor);
  return branches;
}

TEST(Trainer, LoraTrainsItsBranchesAlone) {
  TinyRun setup;
  const std::string before = setup.saved_bytes();
  const std::vector<at::Tensor> branches = use_lora(setup);
  const TemporaryFolder folder;
  core::Progress progress;
  const types::RunRecord record = train(setup.inputs(folder.path()), progress);
  EXPECT_EQ(setup.saved_bytes(), before);
  for (std::size_t i = 1; i < branches.size(); i += 2)
    EXPECT_GT(branches[i].abs().max().item<float>(), 0.0F);
  EXPECT_LT(record.best->loss, record.before->loss);
}

TEST(Trainer, LoraInterruptedAndResumedIsAsIfNothingHadHappened) {
  std::vector<at::Tensor> whole;
  for (const bool stopped : {false, true}) {
    const TemporaryFolder folder;
    if (stopped) {
      TinyRun setup;
      use_lora(setup);
      StopAt progress(7);
      EXPECT_EQ(train(setup.inputs(folder.path()), progress).status, RunStatus::kInterrupted);
    }
    TinyRun setup;
    const std::vector<at::Tensor> branches = use_lora(setup);
    TrainInputs inputs = setup.inputs(folder.path());
    inputs.resume = stopped;
    core::Progress progress;
    EXPECT_EQ(train(inputs, progress).status, RunStatus::kFinished);
    if (!stopped) whole = branches;
    for (std::size_t i = 0; i < whole.size(); ++i)
      EXPECT_TRUE(at::equal(branches[i], whole[i])) << i;
  }
}

TEST(Trainer, ResumeSaysWhichMetricsLineIsNone) {
  for (const char* line : {"[1]\n", "{\"step\": \"9\"}\n", "7\n", "{\"step\n"}) {
    SCOPED_TRACE(line);
    const TemporaryFolder folder;
    {
      const TinyRun setup;
      StopAt progress(2);
      train(setup.inputs(folder.path()), progress);
    }
    const auto lines = read_lines(folder.path() / "metrics.jsonl").size();
    std::ofstream(folder.path() / "metrics.jsonl", std::ios::app) << line;
    const TinyRun setup;
    core::Progress progress;
    TrainInputs inputs = setup.inputs(folder.path());
    inputs.resume = true;
    try {
      train(inputs, progress);
      ADD_FAILURE() << "went on";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kBadInput);
      EXPECT_NE(
          std::string(error.what()).find("line " + std::to_string(lines + 1)), std::string::npos)
          << error.what();
    }
  }
}

TEST(Trainer, ResumesFromAnEarlierCheckpointAndCutsTheMetrics) {
  const Finished whole = uninterrupted(TinyRun());
  const TemporaryFolder folder;
  {
    // Killed after step 8 without a word: the last checkpoint is of step 5, and a line is half
    // written.
    const TinyRun setup;
    StopAt progress(8);
    TrainInputs inputs = setup.inputs(folder.path());
    inputs.run.how.options.checkpoint_steps = 5;
    train(inputs, progress);
    std::filesystem::remove(folder.path() / "checkpoint-0000000008.safetensors");
    std::ofstream(folder.path() / "metrics.jsonl", std::ios::app) << "{\"step\": 9, \"ep";
  }
  const TinyRun setup;
  core::Progress progress;
  TrainInputs inputs = setup.inputs(folder.path());
  inputs.resume = true;
  train(inputs, progress);
  EXPECT_EQ(setup.saved_bytes(), whole.model);
  EXPECT_EQ(timeless(folder.path()), whole.lines);
}

TEST(Trainer, RefusesToResumeAnotherRun) {
  const TemporaryFolder folder;
  const TinyRun setup;
  core::Progress quiet;
  TrainInputs inputs = setup.inputs(folder.path());
  inputs.resume = true;
  EXPECT_THROW(train(inputs, quiet), Error);  // nothing to resume
  {
    const TinyRun first;
    StopAt progress(4);
    train(first.inputs(folder.path()), progress);
  }
  const auto refusal = [&](const TrainInputs& changed) {
    try {
      train(changed, quiet);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kUsage);
      return std::string(error.what());
    }
    return std::string("accepted");
  };
  TrainInputs data = inputs;
  data.run.where.identity["data_hash"] = "other";
  EXPECT_NE(refusal(data).find("data_hash"), std::string::npos);
  TrainInputs options = inputs;
  options.run.how.options.weight_decay = 0.5;
  EXPECT_NE(refusal(options).find("weight_decay was 0.01, is 0.5"), std::string::npos);
}

TEST(Trainer, NotFiniteLossStopsAndKeepsTheBestWeights) {
  for (const bool with_dev : {true, false}) {
    const TinyRun setup;
    const data::Batcher no_dev(setup.dataset, {}, {64, 0}, 0);
    const TemporaryFolder folder;
    const std::string before = setup.saved_bytes();
    // After some steps a weight is destroyed behind the trainer's back, as an overflow would.
    class Destroy : public core::Progress {
     public:
      explicit Destroy(const model::ScriptModel& model) : model_(model) {}
      void begin(const std::string& what, std::int64_t, const std::string&) override {
        training_ = what == "training";
      }
      void update(std::int64_t done, const std::string&) override {
        if (!training_ || done != 4) return;
        const at::NoGradGuard quiet;
        model_.parameters().front().tensor.fill_(std::numeric_limits<double>::quiet_NaN());
      }

     private:
      const model::ScriptModel& model_;
      bool training_ = false;
    } progress(setup.model);
    TrainInputs base = setup.inputs(folder.path());
    const RunSubject& what = base.run.what;
    const TrainInputs inputs{
        {{what.model, what.graph, what.train, with_dev ? what.dev : no_dev, what.plan},
            base.run.how, base.run.where}};
    core::set_log_level(core::LogLevel::kOff);
    const types::RunRecord record = train(inputs, progress);
    core::set_log_level(core::LogLevel::kInfo);
    EXPECT_EQ(record.status, RunStatus::kDiverged);
    EXPECT_EQ(record.steps, 4);
    EXPECT_EQ(setup.saved_bytes(), before);  // evaluated at step 0 only
  }
}

TEST(Trainer, TokenAndFlopBudgetsAreNotExceeded) {
  for (const BudgetUnit unit : {BudgetUnit::kTokens, BudgetUnit::kFlops}) {
    TinyRun setup;
    setup.plan.steps = 1000;
    setup.plan.shape = support::sample_shape(kTestBlocks);
    double largest = 65.0;
    if (unit == BudgetUnit::kFlops) {
      for (const auto& batch : setup.train_batches.epoch(1, 0)) {
        largest = std::max(
            largest, training_flops(setup.plan.shape, setup.train_batches.make(batch), 0, false));
      }
    }
    const double amount = unit == BudgetUnit::kTokens ? 500.0 : 8.5 * largest;
    setup.plan.budget = {amount, unit};
    if (unit == BudgetUnit::kFlops) setup.plan.budget_flops = amount;
    const TemporaryFolder folder;
    core::Progress progress;
    const types::RunRecord record = train(setup.inputs(folder.path()), progress);
    EXPECT_EQ(record.status, RunStatus::kBudgetReached);
    const double used =
        unit == BudgetUnit::kTokens ? static_cast<double>(record.tokens) : record.flops;
    EXPECT_LE(used, amount);
    EXPECT_GT(used, amount - largest);  // less than a batch is left
    EXPECT_EQ(record.after->step, record.steps);
  }
}

// 100 seconds, in which the plan expects 80 steps.
struct TimedRun : TinyRun {
  TimedRun() {
    plan.steps = 80;
    plan.evaluations = 4;
    plan.budget = {100.0, BudgetUnit::kSeconds};
    plan.learning_rate = 0.003;
  }
};

TEST(Trainer, TimeBudgetIsSpentAndNotExceededWhateverTheMachineDoes) {
  const std::vector<std::function<double(std::int64_t)>> machines = {
      [](std::int64_t) { return 1.0; }, [](std::int64_t step) { return step < 30 ? 1.0 : 4.0; },
      [](std::int64_t step) { return step < 70 ? 1.0 : 4.0; },
      [](std::int64_t step) { return step < 10 ? 2.0 : 0.5; },
      [](std::int64_t step) { return step % 7 == 3 ? 2.0 : 0.8; },
      [](std::int64_t) { return 40.0; }};
  for (std::size_t i = 0; i < machines.size(); ++i) {
    const TimedRun setup;
    const TemporaryFolder folder;
    SlowMachine machine(machines[i], 0.2);
    TrainInputs inputs = setup.inputs(folder.path());
    inputs.clock = &machine;
    inputs.closing_seconds = 2.0;
    const types::RunRecord record = train(inputs, machine);
    EXPECT_LE(machine.now() + 2.0, 100.0) << "machine " << i;
    EXPECT_GE(machine.now(), i == 5 ? 40.0 : 80.0) << "machine " << i;
    ASSERT_TRUE(record.after.has_value()) << "machine " << i;
    EXPECT_EQ(record.after->step, record.steps) << "machine " << i;
    const auto steps = metrics(folder.path(), "loss");
    EXPECT_LE(steps.back()["budget_spent"].get<double>(), 1.0);
    if (i == 0) {
      EXPECT_EQ(record.steps, schedule_for_cooldown(4, *record.cooldown_start_step).total());
    }
  }
}

TEST(Trainer, ReplayRepeatsATimedRunWithoutItsClock) {
  for (const double slow : {1.0, 3.0}) {
    const TimedRun first;
    const TemporaryFolder folder;
    SlowMachine machine([&](std::int64_t step) { return step < 72 ? 1.0 : slow; }, 0.2);
    TrainInputs inputs = first.inputs(folder.path());
    inputs.clock = &machine;
    const types::RunRecord record = train(inputs, machine);

    const TimedRun second;
    const TemporaryFolder again;
    core::Progress progress;
    TrainInputs replayed = second.inputs(again.path());
    replayed.replay = replay_of(record);
    const types::RunRecord repeated = train(replayed, progress);
    EXPECT_EQ(second.saved_bytes(), first.saved_bytes());
    EXPECT_EQ(repeated.steps, record.steps);
    EXPECT_EQ(repeated.status, record.status);
    EXPECT_EQ(repeated.best->loss, record.best->loss);
  }
}

TEST(Trainer, TimedRunGoesOnWithItsClockAfterAnInterruption) {
  const TemporaryFolder folder;
  double spent = 0.0;
  {
    const TimedRun setup;
    SlowMachine machine(
        [](std::int64_t step) {
          if (step == 40) core::set_stop_signal(2);
          return 1.0;
        },
        0.2);
    TrainInputs inputs = setup.inputs(folder.path());
    inputs.clock = &machine;
    EXPECT_EQ(train(inputs, machine).status, RunStatus::kInterrupted);
    core::set_stop_signal(0);
    spent = machine.now();
  }
  const TimedRun setup;
  SlowMachine machine([](std::int64_t) { return 1.0; }, 0.2);
  TrainInputs inputs = setup.inputs(folder.path());
  inputs.clock = &machine;
  inputs.resume = true;
  const types::RunRecord record = train(inputs, machine);
  EXPECT_LE(spent + machine.now(), 100.0);
  EXPECT_GE(spent + machine.now(), 90.0);
  EXPECT_GT(record.steps, 60);
}

TEST(Replay, NeedsARunThatEndedByItself) {
  types::RunRecord record;
  for (const RunStatus status :
      {RunStatus::kRunning, RunStatus::kInterrupted, RunStatus::kDiverged}) {
    record.status = status;
    EXPECT_THROW(replay_of(record), Error);
  }
}

}  // namespace
}  // namespace salf::train
