#include "calibration/deviation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/types.h>

#include <cmath>

#include "core/error.h"

namespace salf::calibration {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// rows × length positions; labels (and documents) as given.
tensor::Batch batch_of(const std::vector<std::vector<std::int64_t>>& labels,
    const std::vector<std::int64_t>& documents) {
  tensor::Batch batch;
  std::vector<at::Tensor> label_rows;
  std::vector<at::Tensor> document_rows;
  for (std::size_t b = 0; b < labels.size(); ++b) {
    label_rows.push_back(torch::tensor(labels[b], torch::kLong));
    document_rows.push_back(torch::full_like(label_rows.back(), documents[b]));
  }
  batch.labels = torch::stack(label_rows);
  batch.documents = torch::stack(document_rows);
  batch.ids = torch::zeros_like(batch.labels);
  return batch;
}

std::vector<std::int64_t> numbers(const at::Tensor& tensor) {
  return {tensor.const_data_ptr<std::int64_t>(),
      tensor.const_data_ptr<std::int64_t>() + tensor.numel()};
}

constexpr std::int64_t kNone = tensor::kNoLabel;

TEST(SelectPositions, TakesEverySupervisedPosition) {
  const tensor::Batch batch = batch_of({{kNone, 5, 6}, {7, kNone, kNone}}, {0, 1});
  const BatchPositions positions = select_positions(batch, Positions::kSupervised, {1.0, 1});
  EXPECT_THAT(numbers(positions.index), ElementsAre(1, 2, 3));
  EXPECT_THAT(numbers(positions.labels), ElementsAre(5, 6, 7));
  EXPECT_THAT(positions.row, ElementsAre(0, 0, 1));
  EXPECT_THAT(positions.sampled, ElementsAre(0, 1, 2));
}

TEST(SelectPositions, LastIsTheFirstSupervisedPositionOfEachDocument) {
  const tensor::Batch batch =
      batch_of({{kNone, 5, 6}, {kNone, kNone, kNone}, {7, 8, 9}}, {0, 1, 2});
  const BatchPositions positions = select_positions(batch, Positions::kLast, {0.04, 1});
  EXPECT_THAT(numbers(positions.index), ElementsAre(1, 6));
  EXPECT_THAT(numbers(positions.labels), ElementsAre(5, 7));
  EXPECT_THAT(positions.row, ElementsAre(0, 2));
  EXPECT_THAT(positions.sampled, ElementsAre(0, 1));
  EXPECT_THAT(select_positions(batch, Positions::kLast, {0.0, 1}).sampled, IsEmpty());
}

TEST(SelectPositions, NothingSupervisedGivesNothing) {
  const BatchPositions positions =
      select_positions(batch_of({{kNone, kNone}}, {0}), Positions::kSupervised, {1.0, 1});
  EXPECT_EQ(positions.index.numel(), 0);
  EXPECT_THAT(positions.sampled, IsEmpty());
}

TEST(SelectPositions, SampleBelongsToTheDocumentAndNotToTheBatch) {
  const std::vector<std::int64_t> row(400, 1);
  const LossSample sample{0.2, 7};
  const BatchPositions alone =
      select_positions(batch_of({row}, {12}), Positions::kSupervised, sample);
  const BatchPositions together =
      select_positions(batch_of({row, row}, {3, 12}), Positions::kSupervised, sample);
  std::vector<std::int64_t> second;
  for (const std::int64_t i : together.sampled) {
    if (i >= 400) second.push_back(i - 400);
  }
  EXPECT_EQ(second, alone.sampled);
  EXPECT_NE(select_positions(batch_of({row}, {12}), Positions::kSupervised, {0.2, 8}).sampled,
      alone.sampled);
}

TEST(SelectPositions, SampleHasTheStatedShare) {
  std::vector<std::vector<std::int64_t>> rows(100, std::vector<std::int64_t>(200, 1));
  std::vector<std::int64_t> documents(100);
  for (std::size_t i = 0; i < documents.size(); ++i) documents[i] = static_cast<std::int64_t>(i);
  const BatchPositions positions =
      select_positions(batch_of(rows, documents), Positions::kSupervised, {0.04, 1});
  // Binomial(20000, 0.04): mean 800, standard deviation 28.
  EXPECT_NEAR(static_cast<double>(positions.sampled.size()), 800.0, 4 * 28.0);
}

TEST(CosineDeviation, EqualsTheClosedForm) {
  const at::Tensor basis =
      torch::tensor({{1.0, 0.0}, {0.0, 1.0}, {1.0, 0.0}, {0.6, 0.8}}).to(torch::kFloat32);
  const at::Tensor state =
      torch::tensor({{3.0, 0.0}, {5.0, 0.0}, {-2.0, 0.0}, {8.0, 6.0}}).to(torch::kFloat32);
  const at::Tensor expected = torch::tensor({0.0, 1.0, 2.0, 1.0 - 0.96}).to(torch::kFloat32);
  EXPECT_TRUE(torch::allclose(cosine_deviation(state, basis), expected, 0, 1e-6));
}

TEST(CosineDeviation, StateOfZerosIsOneAway) {
  const at::Tensor basis = torch::tensor({{1.0F, 0.0F}});
  EXPECT_EQ(cosine_deviation(torch::zeros({1, 2}), basis).item<float>(), 1.0F);
}

TEST(CosineDeviation, RefusesOtherShapes) {
  EXPECT_THROW(cosine_deviation(torch::zeros({2, 3}), torch::zeros({2, 4})), Error);
}

TEST(LossDeviation, EqualsTheClosedFormWhateverTheChunk) {
  const at::Tensor head = torch::tensor({{1.0, 0.0}, {0.0, 1.0}, {0.0, 0.0}}, torch::kFloat64);
  const at::Tensor state =
      torch::tensor({{0.0, 0.0}, {std::log(2.0), 0.0}, {0.0, std::log(6.0)}}, torch::kFloat64);
  const at::Tensor labels = torch::tensor({2, 0, 0}, torch::kLong);
  // softmax: (1,1,1)/3, (2,1,1)/4, (1,6,1)/8
  const at::Tensor expected =
      torch::tensor({std::log(3.0), std::log(2.0), std::log(8.0)}).to(torch::kFloat32);
  for (const std::int64_t max_logits : {1, 6, 100}) {
    std::int64_t largest = 0;
    const model::Head product = [&](const at::Tensor& rows) {
      largest = std::max(largest, rows.size(0));
      return torch::matmul(rows, head.t());
    };
    EXPECT_TRUE(
        torch::allclose(loss_deviation(state, labels, product, 3, max_logits), expected, 1e-6));
    EXPECT_EQ(largest, max_logits == 1 ? 1 : max_logits == 6 ? 2 : 3);
  }
}

TEST(NormScale, ReadsTheScaleOfAnyNorm) {
  for (const std::int64_t hidden : {5, 16, 33}) {
    torch::manual_seed(3);
    const at::Tensor gamma = torch::randn({hidden}, torch::kFloat64);
    const at::Tensor beta = torch::randn({hidden}, torch::kFloat64);
    const auto rms = [&](const at::Tensor& h) {
      return h * torch::rsqrt(h.square().mean(-1, true) + 1e-5) * gamma;
    };
    const auto layer = [&](const at::Tensor& h) {
      return torch::layer_norm(h, {hidden}, gamma, beta, 1e-5);
    };
    const at::TensorOptions options = torch::TensorOptions(torch::kFloat64);
    EXPECT_TRUE(torch::allclose(norm_scale(rms, hidden, options), gamma, 1e-6, 1e-6));
    EXPECT_TRUE(torch::allclose(norm_scale(layer, hidden, options), gamma, 1e-6, 1e-6));
  }
}

TEST(NormScale, RefusesWhatIsNoNorm) {
  torch::manual_seed(4);
  const at::Tensor mixing = torch::randn({8, 8}, torch::kFloat64);
  const auto product = [&](const at::Tensor& h) { return torch::matmul(h, mixing); };
  EXPECT_THROW(norm_scale(product, 8, torch::TensorOptions(torch::kFloat64)), Error);
}

}  // namespace
}  // namespace salf::calibration
