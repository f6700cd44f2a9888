#include "train/step/freeze.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/ones_like.h>
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "core/error.h"
#include "training_setup.h"

namespace salf::train {
namespace {

std::set<std::string> names(const std::vector<model::Parameter>& parameters) {
  std::set<std::string> found;
  for (const auto& parameter : parameters) found.insert(parameter.name);
  return found;
}

TEST(Freeze, EofZeroTrainsEverything) {
  for (const bool tied : {false, true}) {
    const TinyRun setup(tied);
    const Freeze freeze(setup.model, setup.graph, 0);
    EXPECT_TRUE(freeze.frozen().empty());
    EXPECT_EQ(freeze.trained_count(), setup.model.parameter_count());
  }
}

TEST(Freeze, CutTrainsBlocksAboveAndTheFinalNormOnly) {
  const TinyRun setup(/*tied=*/false);
  const Freeze freeze(setup.model, setup.graph, 2);
  for (const std::string& name : names(freeze.trained())) {
    EXPECT_TRUE(name.rfind("model.layers.2.", 0) == 0 || name == "model.norm.weight") << name;
  }
  EXPECT_EQ(freeze.trained().size(), 10U);  // nine of the block, one norm
  const std::set<std::string> frozen = names(freeze.frozen());
  EXPECT_EQ(frozen.count("lm_head.weight"), 1U);
  EXPECT_EQ(frozen.count("model.embed_tokens.weight"), 1U);
  for (const auto& parameter : freeze.frozen()) EXPECT_FALSE(parameter.tensor.requires_grad());
  for (const auto& parameter : freeze.trained()) EXPECT_TRUE(parameter.tensor.requires_grad());
}

TEST(Freeze, EndsWithWhatWasLoaded) {
  const TinyRun setup;
  const at::Tensor first = setup.model.parameters().front().tensor;
  const at::Tensor last = setup.model.parameters().back().tensor;
  first.requires_grad_(true);
  last.requires_grad_(false);
  {
    const Freeze freeze(setup.model, setup.graph, 1);
    last.mutable_grad() = at::ones_like(last);
  }
  EXPECT_TRUE(first.requires_grad());
  EXPECT_FALSE(last.requires_grad());
  EXPECT_FALSE(last.grad().defined());
}

TEST(Freeze, TrainsAnySetOfBlocks) {
  const TinyRun setup;
  Freeze freeze(setup.model, setup.graph, 0);
  const auto trained = [&] {
    std::set<std::string> names;
    for (const auto& parameter : freeze.trained()) {
      if (parameter.tensor.requires_grad()) names.insert(parameter.name);
    }
    return names;
  };
  const auto expected = [&](const std::vector<std::int64_t>& blocks) {
    std::set<std::string> names;
    for (const std::int64_t block : blocks) {
      for (const auto& name : setup.graph.block_parameters(block)) names.insert(name);
    }
    for (const auto& name : setup.graph.final_parameters()) names.insert(name);
    return names;
  };
  freeze.train_only(setup.graph, {0, 2});
  EXPECT_EQ(trained(), expected({0, 2}));
  freeze.trained().front().tensor.mutable_grad() = at::ones_like(freeze.trained().front().tensor);
  freeze.train_only(setup.graph, {1});
  EXPECT_EQ(trained(), expected({1}));
  EXPECT_FALSE(freeze.trained().front().tensor.grad().defined());
}

TEST(Freeze, GradientOfAFrozenParameterIsAnInternalError) {
  const TinyRun setup;
  const Freeze freeze(setup.model, setup.graph, 1);
  EXPECT_NO_THROW(freeze.check());
  const at::Tensor frozen = freeze.frozen().front().tensor;
  frozen.mutable_grad() = at::ones_like(frozen);
  try {
    freeze.check();
    FAIL() << "not noticed";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kInternal);
    EXPECT_NE(std::string(error.what()).find(freeze.frozen().front().name), std::string::npos);
  }
}

}  // namespace
}  // namespace salf::train
