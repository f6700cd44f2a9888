// Control arms: any set of blocks is trained, also one that changes from step to step.
#include <ATen/Functions.h>
#include <gtest/gtest.h>

#include <map>
#include <string>

#include "train/run/trainer.h"
#include "training_setup.h"

namespace salf::train {
namespace {

struct Moved {
  explicit Moved(const TinyRun& setup) : setup_(setup) {
    for (const auto& parameter : setup.model.parameters())
      before_[parameter.name] = parameter.tensor.clone();
  }
  bool operator()(const std::string& name) const {
    return !at::equal(setup_.model.parameter(name).tensor, before_.at(name));
  }
  bool block(std::int64_t index) const {
    bool any = false, all = true;
    for (const auto& name : setup_.graph.block_parameters(index)) {
      any = any || (*this)(name);
      all = all && (*this)(name);
    }
    EXPECT_EQ(any, all) << "block " << index << " in part";
    return any;
  }

  const TinyRun& setup_;
  std::map<std::string, at::Tensor> before_;
};

types::RunRecord run(
    const TinyRun& setup, const std::function<std::vector<std::int64_t>(std::int64_t)>& blocks) {
  const TemporaryFolder folder;
  core::Progress progress;
  TrainInputs inputs = setup.inputs(folder.path());
  inputs.blocks = blocks;
  return train(inputs, progress);
}

TEST(TrainedBlocks, NoOthersMove) {
  const TinyRun setup;
  const Moved moved(setup);
  const types::RunRecord record = run(setup, [](std::int64_t) {
    return std::vector<std::int64_t>{0, 2};
  });
  EXPECT_LT(record.best->loss, record.before->loss);
  EXPECT_TRUE(moved.block(0));
  EXPECT_FALSE(moved.block(1));
  EXPECT_TRUE(moved.block(2));
  EXPECT_FALSE(moved(setup.graph.map().embedding_parameter));
  EXPECT_FALSE(moved(setup.graph.map().head_parameter));
}

TEST(TrainedBlocks, TheLastOnesAreACut) {
  TinyRun graph;
  graph.plan.cut = 1;
  const TemporaryFolder folder;
  core::Progress progress;
  const types::RunRecord by_cut = train(graph.inputs(folder.path()), progress);
  const TinyRun set;
  const types::RunRecord by_set = run(set, [](std::int64_t) {
    return std::vector<std::int64_t>{1, 2};
  });
  EXPECT_NEAR(by_set.best->loss, by_cut.best->loss, 1e-5);
}

TEST(TrainedBlocks, MayBeDrawnAgain) {
  const TinyRun setup;
  const Moved moved(setup);
  run(setup, [](std::int64_t step) { return std::vector<std::int64_t>{step < 6 ? 0 : 2}; });
  EXPECT_TRUE(moved.block(0));
  EXPECT_FALSE(moved.block(1));
  EXPECT_TRUE(moved.block(2));
}

}  // namespace
}  // namespace salf::train
