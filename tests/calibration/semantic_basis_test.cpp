#include "calibration/semantic_basis.h"

#include <gtest/gtest.h>
#include <torch/types.h>

#include <cmath>
#include <limits>

#include "core/error.h"

namespace salf::calibration {
namespace {

at::Tensor random_head(std::int64_t vocabulary, std::int64_t hidden, std::uint64_t seed) {
  torch::manual_seed(seed);
  return torch::randn({vocabulary, hidden}, torch::kFloat64);
}

at::Tensor all_labels(std::int64_t vocabulary) { return torch::arange(vocabulary, torch::kLong); }

double largest_difference(const at::Tensor& a, const at::Tensor& b) {
  return (a.to(torch::kFloat64) - b.to(torch::kFloat64)).abs().max().item<double>();
}

TEST(SemanticBasis, EqualsThePseudoInverse) {
  const at::Tensor head = random_head(40, 12, 1).to(torch::kFloat32);
  const SemanticBasis basis(head, 40);
  const at::Tensor expected = torch::linalg_pinv(head.to(torch::kFloat64)).t();
  EXPECT_EQ(basis.ridge(), 0.0);
  EXPECT_EQ(basis.rows(all_labels(40)).scalar_type(), torch::kFloat32);
  EXPECT_LT(largest_difference(basis.rows(all_labels(40)), expected),
      1e-8);  // float32's last digit of 0.1
}

TEST(SemanticBasis, LogitsOfABasisAreTheProjectionOfTheOneHot) {
  const at::Tensor head = random_head(30, 30, 2);  // square: the projection is the identity
  const SemanticBasis basis(head, 30);
  const at::Tensor logits = torch::matmul(basis.rows(all_labels(30)).to(torch::kFloat64), head.t());
  EXPECT_LT(largest_difference(logits, torch::eye(30)), 1e-4);

  const at::Tensor tall = random_head(50, 8, 3);
  const SemanticBasis tall_basis(tall, 50);
  const at::Tensor orthonormal = std::get<0>(torch::linalg_qr(tall));
  const at::Tensor projection = torch::matmul(orthonormal, orthonormal.t());
  EXPECT_LT(
      largest_difference(
          torch::matmul(tall_basis.rows(all_labels(50)).to(torch::kFloat64), tall.t()), projection),
      1e-6);
}

TEST(SemanticBasis, RankDeficientHeadGetsARidge) {
  const at::Tensor low =
      torch::matmul(random_head(40, 3, 4), random_head(3, 10, 5));  // rank 3 of 10
  const SemanticBasis basis(low, 40);
  const double trace = low.square().sum().item<double>();
  EXPECT_NEAR(basis.ridge(), 1e-6 * trace / 10, 1e-12 * trace);
  // In the row space the ridge changes little, outside of it the basis has nothing: close to the
  // pseudo-inverse.
  const at::Tensor expected = torch::linalg_pinv(low, /*rcond=*/1e-8).t();
  const double scale = expected.abs().max().item<double>();
  EXPECT_LT(largest_difference(basis.rows(all_labels(40)), expected) / scale, 1e-4);
}

TEST(SemanticBasis, RidgeFollowsTheSmallestEigenvalue) {
  // WᵀW = diag(1, 1, 1, e): trace/D is about 3/4.
  const auto ridge_for = [](double e) {
    at::Tensor head = torch::eye(4, torch::kFloat64);
    head[3][3] = std::sqrt(e);
    return SemanticBasis(head, 4).ridge();
  };
  EXPECT_EQ(ridge_for(1e-6), 0.0);
  EXPECT_NEAR(ridge_for(0.5e-6), 0.75e-6, 1e-9);
}

TEST(SemanticBasis, PaddedRowsDoNotCount) {
  const at::Tensor head = random_head(20, 6, 6);
  const at::Tensor padding = torch::full({9, 6}, 0.3, torch::kFloat64);
  const at::Tensor padded = torch::cat({head, padding});
  const SemanticBasis whole(head, 20);
  const SemanticBasis by_limit(torch::cat({head, random_head(9, 6, 7)}), 20);
  const SemanticBasis by_equality(padded, 29);
  EXPECT_EQ(by_limit.words(), 20);
  EXPECT_EQ(by_equality.words(), 20);
  const at::Tensor labels = all_labels(20);
  EXPECT_EQ(largest_difference(whole.rows(labels), by_limit.rows(labels)), 0.0);
  EXPECT_LT(largest_difference(whole.rows(labels), by_equality.rows(labels)), 1e-7);
}

TEST(SemanticBasis, ASingleLastRowIsNotPadding) {
  EXPECT_EQ(SemanticBasis(random_head(20, 6, 8), 20).words(), 20);
}

TEST(SemanticBasis, LargeHeadIsReadInChunks) {
  const at::Tensor head =
      random_head(5000, 2048, 9).to(torch::kFloat32);  // more than one chunk of rows
  const SemanticBasis basis(head, 5000);
  const at::Tensor labels = torch::tensor({0, 2047, 2048, 4999}, torch::kLong);
  const at::Tensor wide = head.to(torch::kFloat64);
  const at::Tensor back =
      torch::matmul(basis.rows(labels).to(torch::kFloat64), torch::matmul(wide.t(), wide));
  EXPECT_LT(largest_difference(back, wide.index_select(0, labels)), 1e-3);
}

TEST(SemanticBasis, UnitRowsHaveLengthOneAndTheScaleActsBefore) {
  const at::Tensor head = random_head(15, 5, 10);
  const SemanticBasis basis(head, 15);
  const at::Tensor labels = torch::tensor({3, 3, 14}, torch::kLong);
  const at::Tensor rows = basis.rows(labels).to(torch::kFloat64);
  const at::Tensor scale = torch::tensor({1.0, 2.0, 0.5, 4.0, 1.0}, torch::kFloat64);
  EXPECT_LT(largest_difference(basis.unit_rows(labels), rows / rows.norm(2, {1}, true)), 1e-6);
  const at::Tensor scaled = rows * scale;
  EXPECT_LT(
      largest_difference(basis.unit_rows(labels, scale), scaled / scaled.norm(2, {1}, true)), 1e-6);
}

TEST(SemanticBasis, RefusesWhatIsNoHead) {
  const auto kind_of = [](const at::Tensor& head) {
    try {
      SemanticBasis basis(head, 10);
    } catch (const Error& error) {
      return error.kind();
    }
    return ErrorKind::kInternal;
  };
  at::Tensor damaged = random_head(10, 4, 11);
  damaged[3][1] = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(kind_of(damaged), ErrorKind::kBadModel);
  EXPECT_EQ(kind_of(torch::zeros({10, 4})), ErrorKind::kBadModel);
  EXPECT_EQ(kind_of(torch::zeros({10})), ErrorKind::kBadModel);
}

TEST(SemanticBasis, RefusesLabelsOutsideTheVocabulary) {
  const SemanticBasis basis(random_head(10, 4, 12), 10);
  EXPECT_THROW(basis.rows(torch::tensor({10}, torch::kLong)), Error);
  EXPECT_THROW(basis.rows(torch::tensor({-1}, torch::kLong)), Error);
}

}  // namespace
}  // namespace salf::calibration
