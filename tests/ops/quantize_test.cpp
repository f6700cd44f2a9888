#include "ops/quantize.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

namespace salf::ops {
namespace {

at::Tensor back(const QuantizedMatrix& matrix) {
  at::Tensor out = at::full({matrix.rows, matrix.columns}, 7.0F);
  dequantize_(matrix, out);
  return out;
}

double largest_of(const at::Tensor& difference) { return difference.abs().max().item<double>(); }

TEST(Quantize, Int8IsWithinHalfAStepOfItsRow) {
  const at::Tensor matrix = at::randn({33, 67});
  const QuantizedMatrix made = quantize(matrix, WeightFormat::kInt8);
  const at::Tensor step = std::get<0>(matrix.abs().max(1)).unsqueeze(1) / 127.0;
  EXPECT_LE(largest_of((back(made) - matrix) / step), 0.5001);
  EXPECT_EQ(made.bytes(), 33 * 67 + 33 * 4);
}

TEST(Quantize, Int4IsWithinHalfAStepOfItsGroup) {
  for (const std::int64_t columns : {1, 63, 64, 65, 128, 200}) {
    const at::Tensor matrix = at::randn({9, columns});
    const at::Tensor difference = (back(quantize(matrix, WeightFormat::kInt4)) - matrix).abs();
    for (std::int64_t first = 0; first < columns; first += kInt4Group) {
      const std::int64_t last = std::min(columns, first + kInt4Group);
      const at::Tensor group = matrix.slice(1, first, last);
      const at::Tensor step = (group.amax(1) - group.amin(1)) / 15.0;
      EXPECT_LE(
          (difference.slice(1, first, last).amax(1) - 0.5001 * step).max().item<double>(), 1e-6)
          << columns << " " << first;
    }
  }
}

TEST(Quantize, BFloat16IsItsRounding) {
  const at::Tensor matrix = at::randn({5, 7});
  EXPECT_TRUE(at::equal(
      back(quantize(matrix, WeightFormat::kBFloat16)), matrix.to(at::kBFloat16).to(at::kFloat)));
}

TEST(Quantize, ValuesOnTheGridComeBackExactly) {
  const at::Tensor codes = at::randint(0, 16, {4, 128});
  codes.slice(1, 0, 1).fill_(0);  // each group has both ends
  codes.slice(1, 1, 2).fill_(15);
  codes.slice(1, 64, 65).fill_(0);
  codes.slice(1, 65, 66).fill_(15);
  const at::Tensor matrix = codes.to(at::kFloat) * 0.25 - 2.0;
  EXPECT_TRUE(at::equal(back(quantize(matrix, WeightFormat::kInt4)), matrix));
}

TEST(Quantize, RowsOfOneValueStayWhatTheyAre) {
  for (const WeightFormat format :
      {WeightFormat::kBFloat16, WeightFormat::kInt8, WeightFormat::kInt4}) {
    EXPECT_TRUE(at::equal(back(quantize(at::zeros({3, 70}), format)), at::zeros({3, 70})));
    EXPECT_LT(largest_of(back(quantize(at::full({3, 70}, -0.5F), format)) + 0.5), 1e-6);
  }
}

// Inputs of a few directions, as hidden states are.
at::Tensor correlated_inputs(std::int64_t columns) {
  return at::randn({500, 12}).matmul(at::randn({12, columns})) + 0.1 * at::randn({500, columns});
}

double product_error(
    const at::Tensor& inputs, const at::Tensor& matrix, const QuantizedMatrix& made) {
  return (inputs.matmul((back(made) - matrix).t())).norm().item<double>() /
         inputs.matmul(matrix.t()).norm().item<double>();
}

TEST(Quantize, MomentsMakeProductsWithSuchInputsMoreExact) {
  at::manual_seed(4);
  for (const WeightFormat format : {WeightFormat::kInt8, WeightFormat::kInt4}) {
    for (const std::int64_t columns : {64, 129, 200}) {
      const at::Tensor matrix = at::randn({48, columns});
      const at::Tensor inputs = correlated_inputs(columns);
      const QuantizedMatrix fitted = quantize(matrix, format, inputs.t().matmul(inputs));
      EXPECT_EQ(fitted.bytes(), quantize(matrix, format).bytes());
      EXPECT_LT(product_error(inputs, matrix, fitted),
          0.6 * product_error(inputs, matrix, quantize(matrix, format)))
          << columns;
      const at::Tensor others = correlated_inputs(columns);
      EXPECT_LT(product_error(others, matrix, fitted), 0.5)
          << "it is still a rounding of the matrix";
    }
  }
}

TEST(Quantize, MomentsThatSayNothingRoundToTheNearest) {
  const at::Tensor matrix = at::randn({8, 70});
  const at::Tensor nearest = back(quantize(matrix, WeightFormat::kInt4));
  EXPECT_TRUE(at::equal(back(quantize(matrix, WeightFormat::kInt4, at::zeros({70, 70}))), nearest));
  EXPECT_TRUE(at::equal(
      back(quantize(matrix, WeightFormat::kInt4, at::full({70, 70}, INFINITY))), nearest));
  const at::Tensor same = back(quantize(matrix, WeightFormat::kInt8, at::eye(70)));
  EXPECT_TRUE(at::allclose(same, back(quantize(matrix, WeightFormat::kInt8)), 1e-6, 1e-6))
      << "independent inputs: nothing to make good";
}

TEST(Quantize, MomentsKeepRowsOfOneValue) {
  const at::Tensor inputs = correlated_inputs(70);
  for (const WeightFormat format : {WeightFormat::kInt8, WeightFormat::kInt4}) {
    EXPECT_TRUE(at::equal(
        back(quantize(at::zeros({3, 70}), format, inputs.t().matmul(inputs))), at::zeros({3, 70})));
  }
}

}  // namespace
}  // namespace salf::ops
