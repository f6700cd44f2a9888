// Several ranks train what one process does that has all their shards. Real processes: this program
// starts itself, once for each rank.
#include "support/ranks.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include <cstdio>
#include <sstream>

#include "core/hash.h"
#include "distributed/group.h"
#include "model/weights/lora.h"
#include "support/sample_documents.h"
#include "train/run/checkpoint.h"
#include "train/step/step_runner.h"
#include "training_setup.h"

namespace salf::train {
namespace {

using salf::testing::RankResult;
using salf::testing::run_ranks;
using ::testing::HasSubstr;
using types::RunStatus;

// Two ranks train most. Where whole blocks are trained, each updates its part of the weights, but
// with "plain".
std::vector<std::string> cases(std::int64_t ranks) {
  if (ranks == 3) return {"bf16"};
  if (ranks == 4) return {"bf16 plain"};
  return {"whole", "whole plain", "bf16 stages", "lora", "lora parts", "accumulate recompute",
      "untied"};
}

bool has(const std::string& name, const char* word) { return name.find(word) != std::string::npos; }

struct ShardedRun : TinyRun {
  ShardedRun(const std::string& name, std::int64_t shards)
      : TinyRun(!has(name, "untied") && !has(name, "stages")) {
    train_batches.deal(shards);
    plan.shards = shards;
    plan.accumulate = shards * (has(name, "accumulate") ? 2 : 1);
    plan.shape = support::sample_shape(kTestBlocks);
    plan.cost = support::sample_cost();
    plan.data = support::sample_data();
    // Rows come again, so that the frozen part is kept.
    plan.epochs = 3.0;
    if (has(name, "cut") || has(name, "bf16") || has(name, "lora")) plan.cut = 1;
    if (has(name, "bf16")) graph = graph.in_type(at::kBFloat16);
    if (has(name, "lora")) use_lora();
    if (has(name, "stages")) use_stages();
  }

  void use_lora() {
    plan.lora.emplace();
    std::vector<model::LinearLayer> layers;
    for (const auto& layer : graph.linear_layers()) {
      if (layer.block >= 1) layers.push_back(layer);
    }
    graph = graph.with_lora(model::make_lora(model, layers, {2, 4.0, false}, 1));
  }

  void use_stages() {
    plan.stages = {2, 1, 0};
    for (std::int64_t cut = 0; cut < kTestBlocks; ++cut) {
      types::Candidate candidate;
      candidate.cut = cut;
      candidate.learning_rate = 0.004 * static_cast<double>(cut + 1);
      plan.candidates.push_back(candidate);
    }
  }

  TrainInputs sharded(const std::filesystem::path& folder, const std::string& name,
      distributed::Group* ranks = nullptr) {
    TrainInputs made = inputs(folder);
    made.run.ranks = ranks;
    TrainOptions& options = made.run.how.options;
    options.recompute = has(name, "recompute");
    if (has(name, "plain")) options.shard_optimizer = types::ShardOptimizer::kOff;
    if (has(name, "parts")) options.shard_optimizer = types::ShardOptimizer::kOn;
    made.stages = &decider;
    return made;
  }

  // Of all that is trained.
  std::string weights() const {
    core::Sha256 hash;
    const auto add = [&hash](const at::Tensor& tensor) {
      const at::Tensor bytes = tensor.detach().contiguous();
      hash.update(bytes.const_data_ptr(), static_cast<std::size_t>(bytes.nbytes()));
    };
    for (const auto& parameter : model.parameters()) add(parameter.tensor);
    for (const auto& parameter : model::lora_parameters(graph.lora())) add(parameter.tensor);
    return hash.hex();
  }

  Decider decider{[](const types::StageEnd&) {
    types::StageDecision decision;
    decision.choice = types::StageChoice::kNext;
    decision.reason = "so that something happens";
    return decision;
  }};
};

// One line of each case: its name, the weights, and what was counted.
std::string line_of(
    const std::string& name, const ShardedRun& run, const types::RunRecord& record) {
  std::ostringstream line;
  line << name << ' ' << run.weights() << ' ' << record.steps << ' ' << record.tokens << ' '
       << record.supervised_tokens << ' ' << record.best->loss << ' ' << record.epochs << '\n';
  return line.str();
}

std::string train_all(std::int64_t shards, distributed::Group* ranks) {
  std::string lines;
  for (const std::string& name : cases(shards)) {
    const TemporaryFolder folder;
    ShardedRun run(name, shards);
    core::Progress silent;
    const auto record = train(run.sharded(folder.path(), name, ranks), silent);
    lines += line_of(name, run, record);
  }
  return lines;
}

std::string variable(const char* name) { return distributed::process_variable(name).value(); }

// Rank TEST_STOPPED is asked to stop after TEST_STEP steps.
types::RunRecord train_part(distributed::Group* ranks, const std::filesystem::path& folder,
    ShardedRun& run, bool resume, std::int64_t stop_at) {
  TrainInputs inputs = run.sharded(folder, "bf16", ranks);
  inputs.resume = resume;
  StopAt stop(stop_at);
  return train(inputs, stop);
}

void print(const std::string& text) {
  std::fputs(text.c_str(), stdout);
  std::fflush(stdout);
}

void interrupted(distributed::Group& ranks) {
  ShardedRun run("bf16", 2);
  const bool stops = ranks.rank() == std::stoll(variable("TEST_STOPPED"));
  const auto record = train_part(&ranks, variable("TEST_FOLDER"), run,
      variable("TEST_RESUME") == "1", stops ? std::stoll(variable("TEST_STEP")) : -1);
  print(core::enum_to_string(record.status) + " " + run.weights());
}

// A weight of one rank is not a number.
void diverged(distributed::Group& ranks) {
  const TemporaryFolder folder;
  ShardedRun run("whole", 2);
  TrainInputs inputs = run.sharded(folder.path(), "whole", &ranks);
  struct Spoil : core::Progress {
    void update(std::int64_t done, const std::string&) override {
      const at::NoGradGuard quiet;
      if (done == 3 && spoils) weight.fill_(std::numeric_limits<float>::quiet_NaN());
    }
    at::Tensor weight;
    bool spoils = false;
  } progress;
  progress.weight = run.model.parameters().front().tensor;
  progress.spoils = ranks.rank() == 1;
  print(core::enum_to_string(train(inputs, progress).status));
}

int run_program(const std::string& name) {
  std::optional<distributed::Group> group;
  try {
    group.emplace(distributed::read_launch(), 30.0);
    if (name == "all") print(train_all(group->size(), &*group));
    if (name == "interrupted") interrupted(*group);
    if (name == "diverged") diverged(*group);
    group->barrier();
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    if (group) group->fail(70, error.what());
    return 70;
  }
}

std::vector<RankResult> run(
    int count, const std::string& program, const salf::testing::RankSetting& setting = {}) {
  return run_ranks(count, {salf::testing::own_path(), "--rank-program", program}, setting);
}

TEST(TrainingRanks, EqualOneProcessWithTheirShards) {
  for (const int count : {2, 3, 4}) {
    const std::string expected = train_all(count, nullptr);
    for (const RankResult& result : run(count, "all")) {
      EXPECT_EQ(result.code, 0) << result.err;
      EXPECT_EQ(result.out, expected);
    }
  }
}

// Each step's rows as one batch, and by shards.
TEST(TrainingRanks, ComeCloseToOneJoinedBatch) {
  TinyRun whole;
  whole.train_batches.deal(2);
  Freeze freeze(whole.model, whole.graph, 0);
  const std::vector<data::BatchPlan> plans = whole.train_batches.epoch(1, 0);
  GradientSum sum(freeze.trained(), {nullptr, 2});
  AdamW optimizer(freeze.trained(), {});
  StepRunner by_shards(whole.graph, freeze, optimizer, {0, 1.0, false, nullptr, &sum});
  StepRunner joined(whole.graph, freeze, optimizer, {});
  types::CostBreakdown seconds;
  for (std::size_t i = 0; i + 1 < plans.size(); i += 2) {
    data::BatchPlan both{plans[i].rows, std::max(plans[i].length, plans[i + 1].length)};
    both.rows.insert(both.rows.end(), plans[i + 1].rows.begin(), plans[i + 1].rows.end());
    const tensor::Batch one = whole.train_batches.make(both);
    sum.begin({one.real_tokens, one.supervised_tokens}, 1);
    const StepResult a = by_shards.run(
        {whole.train_batches.make(plans[i]), whole.train_batches.make(plans[i + 1])}, 0.0, seconds);
    const StepResult b = joined.run({one}, 0.0, seconds);
    EXPECT_NEAR(a.loss, b.loss, 1e-5 * b.loss);
    EXPECT_NEAR(a.gradient_norm, b.gradient_norm, 1e-5 * b.gradient_norm);
    EXPECT_EQ(a.tokens, b.tokens);
  }
}

TEST(TrainingRanks, StopTogetherAndResumeOnAnotherNumber) {
  const TemporaryFolder folder, apart;
  ShardedRun uninterrupted("bf16", 2);
  train_part(nullptr, apart.path(), uninterrupted, false, -1);
  salf::testing::RankSetting setting;
  setting.variables = {{"TEST_FOLDER", folder.path().string()}, {"TEST_RESUME", "0"},
      {"TEST_STOPPED", "1"}, {"TEST_STEP", "4"}};
  for (const RankResult& result : run(2, "interrupted", setting))
    EXPECT_THAT(result.out, HasSubstr("interrupted")) << result.err;
  {
    ShardedRun alone("bf16", 2);
    EXPECT_EQ(train_part(nullptr, folder.path(), alone, true, 8).status, RunStatus::kInterrupted);
  }
  setting.variables["TEST_RESUME"] = "1";
  setting.variables["TEST_STEP"] = "-1";
  for (const RankResult& result : run(2, "interrupted", setting))
    EXPECT_EQ(result.out, "finished " + uninterrupted.weights()) << result.err;
}

TEST(TrainingRanks, AllDivergeWhereOneDoes) {
  for (const RankResult& result : run(2, "diverged"))
    EXPECT_EQ(result.out, "diverged") << result.err;
}

// Each element is in one part, and norms are taken of the same stretches on any number of ranks.
TEST(TrainingRanks, CutWeightsIntoPieces) {
  std::vector<model::Parameter> trained;
  for (const std::int64_t size : {3'000'000, 5, 8192, 1'100'000})
    trained.push_back({"p" + std::to_string(size), {}, at::empty({size})});
  trained.push_back({"half", {}, at::empty({7}, at::kHalf)});
  for (const std::int64_t ranks : {1, 2, 3, 64}) {
    std::vector<std::int64_t> seen(trained.size());
    std::size_t complete = trained.size();  // gradients come from the last parameter to the first
    for (const Piece& piece : cut_into_pieces(trained, {"p5", "p8192"}, ranks)) {
      EXPECT_LE(piece.segments.back().place, complete) << "no piece waits for a later one's";
      complete = piece.segments.back().place;
      EXPECT_EQ(piece.length % (ranks * kStretch), 0);
      EXPECT_LE(piece.length,
          std::max(std::int64_t{1} << 20, ranks * kStretch) * (piece.type == at::kHalf ? 2 : 1));
      for (std::int64_t rank = 0; rank < ranks; ++rank) {
        for (const Segment& segment : part_of(piece, rank, ranks)) {
          EXPECT_EQ(segment.from, seen[segment.place]) << "one after another";
          seen[segment.place] += segment.count;
          EXPECT_LE(segment.at + segment.count, piece.length / ranks);
          EXPECT_EQ(piece.by_copies, segment.place == 1 || segment.place == 2);
        }
      }
    }
    for (std::size_t place = 0; place < trained.size(); ++place)
      EXPECT_EQ(seen[place], trained[place].tensor.numel());
  }
}

TEST(TrainingRanks, ShareShardsUnevenly) {
  std::int64_t next = 0;
  for (std::int64_t rank = 0; rank < 3; ++rank) {
    const ShardRange range = shards_of(rank, 3, 4);
    EXPECT_EQ(range.begin, next);
    EXPECT_GT(range.end, range.begin);
    next = range.end;
  }
  EXPECT_EQ(next, 4);
}

}  // namespace
}  // namespace salf::train

int main(int argc, char** argv) {
  return salf::testing::run_tests_or(&salf::train::run_program, argc, argv);
}
