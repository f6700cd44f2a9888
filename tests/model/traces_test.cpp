// Programs as users bring them (tests/golden/traces/make_traces.py): each is cut anywhere and can
// be trained above the cut, or is refused for the right reason.
#include <ATen/core/grad_mode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/types.h>

#include <algorithm>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/json.h"
#include "model/graph/graph_cut.h"
#include "model/script_model.h"
#include "support/pieces.h"

namespace salf::model {
namespace {

namespace fs = std::filesystem;

const fs::path kFolder = fs::path(SALF_TEST_DATA) / "traces";

std::vector<std::string> archives() {
  std::vector<std::string> names;
  const core::Json expected = core::read_json_file(kFolder / "expected.json");
  for (const auto& entry : expected.items()) names.push_back(entry.key());
  return names;
}

std::string readable(const ::testing::TestParamInfo<std::string>& name) {
  std::string text = name.param;
  std::replace(text.begin(), text.end(), '-', '_');
  return text;
}

ScriptModel open_archive(const std::string& name) {
  return ScriptModel::load(kFolder / (name + ".pt"), c10::Device(c10::kCPU));
}

// The batch of the script that made the archives.
tensor::Batch batch() {
  tensor::Batch batch;
  batch.ids = (torch::arange(18).reshape({2, 9}) * 7).remainder(60) + 3;
  batch.mask = torch::ones_like(batch.ids);
  batch.labels = batch.ids.roll(-1, 1);
  batch.real_tokens = 18;
  return batch;
}

class Trace : public ::testing::TestWithParam<std::string> {
 protected:
  ScriptModel model_ = open_archive(GetParam());
  GraphCut graph_{model_, ""};
};

TEST_P(Trace, GivesTheLogitsOfPython) {
  const torch::NoGradGuard no_grad;
  const double expected =
      core::read_json_file(kFolder / "expected.json")[GetParam()]["mean_square"].get<double>();
  EXPECT_NEAR(model_.forward(batch()).square().mean().item<double>(), expected, 1e-5 * expected);
}

TEST_P(Trace, EqualsItsPartsAtEveryCutAndInPieces) {
  EXPECT_EQ(graph_.map().blocks, 3);
  EXPECT_EQ(graph_.map().vocabulary, 64);
  for (std::int64_t cut = 0; cut < 3; ++cut) EXPECT_LE(graph_.prove(cut), 1e-5) << cut;
  EXPECT_LT(testing::difference_in_pieces(graph_, batch().ids.slice(0, 0, 1), 4), 1e-5);
}

TEST_P(Trace, GivesGradientsAboveTheCutOnly) {
  constexpr std::int64_t kEof = 1;
  for (const Parameter& parameter : model_.parameters()) parameter.tensor.requires_grad_(false);
  std::set<std::string> trained;
  for (std::int64_t i = kEof; i < 3; ++i) {
    for (const auto& name : graph_.block_parameters(i)) trained.insert(name);
  }
  for (const auto& name : graph_.final_parameters()) trained.insert(name);
  for (const auto& name : trained) model_.parameter(name).tensor.requires_grad_(true);

  const at::Tensor hidden = graph_.prefix(batch(), kEof);
  EXPECT_FALSE(hidden.requires_grad());
  const at::Tensor state = graph_.suffix(hidden, batch(), kEof);
  const at::Tensor logits = graph_.head()(state.reshape({18, graph_.map().hidden}));
  torch::nll_loss(torch::log_softmax(logits, 1), batch().labels.reshape({18})).backward();
  for (const auto& name : trained) {
    const at::Tensor gradient = model_.parameter(name).tensor.grad();
    ASSERT_TRUE(gradient.defined()) << name;
    EXPECT_TRUE(gradient.isfinite().all().item<bool>()) << name;
  }
  const at::Tensor first = model_.parameter(graph_.block_parameters(kEof).front()).tensor.grad();
  EXPECT_GT(first.abs().max().item<double>(), 0.0);
}

INSTANTIATE_TEST_SUITE_P(Archives, Trace, ::testing::ValuesIn(archives()), readable);

std::string refusal(const std::string& name) {
  try {
    const ScriptModel model = open_archive("refused-" + name);
    const GraphCut graph(model, "");
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kBadModel);
    return error.what();
  }
  return "";
}

TEST(RefusedTrace, SaysWhy) {
  using ::testing::HasSubstr;
  EXPECT_THAT(refusal("batch"), HasSubstr("fixed batch size"));
  EXPECT_THAT(refusal("length"), HasSubstr("fixed batch size or length"));
  EXPECT_THAT(refusal("classifier"), HasSubstr("forward should give logits [B, T, V]"));
  EXPECT_THAT(refusal("dropout"), HasSubstr("traced in training mode"));
  EXPECT_THAT(refusal("encoder"), HasSubstr("causal"));
  EXPECT_THAT(refusal("inplace"), HasSubstr("changes its input in place (aten::add_)"));
  EXPECT_THAT(refusal("loop"),
      HasSubstr("h (3 children): the blocks are called inside a loop or a branch"));
  EXPECT_THAT(refusal("skip"), HasSubstr("reads more than the last block's hidden state"));
}

TEST(RefusedTrace, PatternThatMatchesNothing) {
  const ScriptModel model = open_archive("nanogpt-script");
  EXPECT_EQ(GraphCut(model, "h").map().blocks, 3);
  EXPECT_THROW(GraphCut(model, "layers"), Error);
}

}  // namespace
}  // namespace salf::model
