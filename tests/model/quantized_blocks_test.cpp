#include "model/weights/quantized_blocks.h"

#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/types.h>

#include <filesystem>
#include <map>
#include <string>

#include "model/graph/decoder_graph.h"
#include "support/temporary_folder.h"
#include "support/tiny_model.h"

namespace salf::model {
namespace {

using ops::WeightFormat;

class Quantized : public ::testing::TestWithParam<WeightFormat> {
 protected:
  // The model with the matrices of its first blocks replaced by what their quantised forms stand
  // for.
  at::Tensor expected(const tensor::Batch& batch, std::int64_t count) {
    ScriptModel other(support::make_tiny_decoder(3, 16, 50, 5));
    const GraphCut graph(other, "");
    for (std::int64_t block = 0; block < count; ++block) {
      for (const auto& name : graph.block_parameters(block)) {
        at::Tensor tensor = other.parameter(name).tensor;
        if (tensor.dim() == 2) ops::dequantize_(ops::quantize(tensor.clone(), GetParam()), tensor);
      }
    }
    return graph.tap(batch).final_state;
  }

  at::NoGradGuard no_grad_;
  ScriptModel model_{support::make_tiny_decoder(3, 16, 50, 5)};
  const GraphCut graph_{model_, ""};
  tensor::Batch batch_ = proof_batch();
};

TEST_P(Quantized, BlocksComputeWithWhatTheirBitsStandFor) {
  const at::Tensor all = expected(batch_, 3);
  const at::Tensor two = expected(batch_, 2);
  {
    const QuantizedBlocks quantized(model_, graph_, rounding_to(GetParam()), 3);
    EXPECT_TRUE(at::allclose(quantized.graph().tap(batch_).final_state, all, 1e-5, 1e-5));
  }
  const QuantizedBlocks quantized(model_, graph_, rounding_to(GetParam()), 2);
  const GraphCut& graph = quantized.graph();
  EXPECT_TRUE(at::allclose(graph.suffix(graph.prefix(batch_, 2), batch_, 2), two, 1e-5, 1e-5));
  EXPECT_GT(quantized.bytes(), 0);
}

TEST_P(Quantized, EveryPartUnpacksTheBlocksThatItRuns) {
  const at::Tensor three = expected(batch_, 3);
  const QuantizedBlocks quantized(model_, graph_, rounding_to(GetParam()), 3);
  const GraphCut& graph = quantized.graph();
  for (std::int64_t cut = 0; cut < 3; ++cut) {
    const at::Tensor state = graph.suffix(graph.prefix(batch_, cut), batch_, cut);
    EXPECT_TRUE(at::allclose(state, three, 1e-5, 1e-5)) << cut;
  }
}

TEST_P(Quantized, EverythingIsAsItWasAfterwards) {
  std::map<std::string, at::Tensor> before;
  for (const auto& parameter : model_.parameters())
    before[parameter.name] = parameter.tensor.clone();
  const at::Tensor state = graph_.tap(batch_).final_state;
  {
    const QuantizedBlocks quantized(model_, graph_, rounding_to(GetParam()), 3);
    quantized.graph().tap(batch_);
  }
  for (const auto& parameter : model_.parameters()) {
    EXPECT_TRUE(at::equal(parameter.tensor, before.at(parameter.name))) << parameter.name;
  }
  EXPECT_TRUE(at::equal(graph_.tap(batch_).final_state, state));
}

TEST_P(Quantized, FittedBlocksAreCloserOnTheirBatches) {
  const at::Tensor exact = graph_.prefix(batch_, 2);
  const auto error_of = [&](const Packer& pack) {
    const QuantizedBlocks quantized(model_, graph_, pack, 2);
    return (quantized.graph().prefix(batch_, 2) - exact).norm().item<double>();
  };
  const double nearest = error_of(rounding_to(GetParam()));
  const double fitted = error_of(fitted_rounding(GetParam(), graph_, {batch_}));
  EXPECT_GT(fitted, 0.0);
  if (GetParam() != WeightFormat::kBFloat16) {
    EXPECT_LT(fitted, nearest);
  }
  EXPECT_TRUE(at::equal(graph_.prefix(batch_, 2), exact));
}

INSTANTIATE_TEST_SUITE_P(Formats, Quantized,
    ::testing::Values(WeightFormat::kBFloat16, WeightFormat::kInt8, WeightFormat::kInt4));

TEST(MappedWeights, AModelOnMappedFilesIsTheSame) {
  const at::NoGradGuard no_grad;
  const testing::TemporaryFolder folder;
  const ScriptModel model(support::make_tiny_decoder(2, 64, 500, 5));
  model.save(folder.path() / "model.pt");
  const ScriptModel mapped =
      ScriptModel::load(folder.path() / "model.pt", c10::Device(c10::kCPU), false, folder.path());
  const tensor::Batch batch = proof_batch();
  EXPECT_TRUE(at::equal(mapped.forward(batch), model.forward(batch)));
  mapped.save(folder.path() / "again.pt");
  std::size_t files = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder.path()))
    ++files;
  EXPECT_EQ(files, 2U) << "nothing else is left behind";
}

}  // namespace
}  // namespace salf::model
