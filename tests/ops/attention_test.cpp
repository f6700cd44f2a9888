// Attention within segments against attention over each segment alone, values and gradients.
#include "ops/attention.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "core/error.h"
#include "operator_comparison.h"
#include "ops/operators.h"

namespace salf::ops {
namespace {

using ::testing::HasSubstr;

// Two rows of 10 positions with five segments.
at::Tensor offsets() { return at::tensor({0, 4, 5, 10, 17, 20}, at::kLong); }

// [20, 20]: whether a position may look at another one, of the same segment and not after it.
at::Tensor visible() {
  const at::Tensor place = at::arange(20);
  const at::Tensor segment = at::bucketize(place, offsets(), false, true);
  return segment.unsqueeze(1).eq(segment) & place.unsqueeze(1).ge(place);
}

// [2, H, 10, C] → [1, H, 20, C], and back.
at::Tensor one_row(const at::Tensor& x) {
  return x.transpose(1, 2).reshape({1, 20, x.size(1), x.size(3)}).transpose(1, 2);
}
at::Tensor two_rows(const at::Tensor& x) {
  return x.transpose(1, 2).reshape({2, 10, x.size(1), x.size(3)}).transpose(1, 2);
}

at::Tensor masked_reference(const Inputs& x, const at::Tensor& mask) {
  return two_rows(at::scaled_dot_product_attention(
      one_row(x[0]), one_row(x[1]), one_row(x[2]), mask, 0.0, false, 0.3, true));
}

class Attention : public ::testing::Test {
 protected:
  void SetUp() override { at::manual_seed(7); }

  // As a projection leaves them: [B, T, H, C] in memory.
  static Inputs values() {
    const auto heads = [](std::int64_t count) {
      return at::randn({2, 10, count, 8}).transpose(1, 2);
    };
    return {heads(4), heads(2), heads(2)};
  }
};

TEST_F(Attention, StaysWithinSegments) {
  const auto ours = [](const Inputs& x) {
    return attention(x[0], x[1], x[2], std::nullopt, 0.0, true, 0.3, true, offsets());
  };
  const auto reference = [](const Inputs& x) { return masked_reference(x, visible()); };
  compare(ours, reference, values(), 3);
  Inputs contiguous = values();
  for (at::Tensor& x : contiguous) x = x.contiguous();
  compare(ours, reference, contiguous, 3);
}

TEST_F(Attention, GivesEachSegmentItsPartOfTheMask) {
  // A window of three tokens, as a mask that shows all earlier ones of the row.
  const at::Tensor place = at::arange(10);
  const at::Tensor back = place.unsqueeze(1) - place;
  const at::Tensor window = back.ge(0) & back.lt(3);
  const at::Tensor distance = at::arange(20).unsqueeze(1) - at::arange(20);
  const at::Tensor expected = visible() & distance.lt(3);
  const auto reference = [&](const Inputs& x) { return masked_reference(x, expected); };
  const at::Tensor added = at::where(window, 0.0, -1e9).to(at::kFloat);
  for (const at::Tensor& mask :
      {window, added, window.expand({2, 1, 10, 10}), added.expand({1, 4, 10, 10})}) {
    const auto ours = [&](const Inputs& x) {
      return attention(x[0], x[1], x[2], mask, 0.0, false, 0.3, true, offsets());
    };
    compare(ours, reference, values(), 3);
  }
}

TEST_F(Attention, IsAtensWithoutSegments) {
  const Inputs x = values();
  const at::Tensor ours =
      attention(x[0], x[1], x[2], std::nullopt, 0.0, true, std::nullopt, true, std::nullopt);
  EXPECT_TRUE(at::equal(ours, at::scaled_dot_product_attention(
                                  x[0], x[1], x[2], std::nullopt, 0.0, true, std::nullopt, true)));
}

TEST_F(Attention, ComputesInBFloat16WhereOneOfItsInputsIs) {
  for (const std::size_t half : {0U, 1U, 2U}) {
    Inputs x = values();
    x[half] = x[half].to(at::kBFloat16);
    for (at::Tensor& one : x) one.requires_grad_(true);
    for (const auto& segments :
        {std::optional<at::Tensor>(offsets()), std::optional<at::Tensor>()}) {
      const at::Tensor result =
          attention(x[0], x[1], x[2], std::nullopt, 0.0, true, 0.3, true, segments);
      EXPECT_EQ(result.scalar_type(), at::kBFloat16);
      const auto gradients = torch::autograd::grad({result.sum()}, x);
      for (std::size_t i = 0; i < x.size(); ++i)
        EXPECT_EQ(gradients[i].scalar_type(), x[i].scalar_type()) << i;
    }
  }
  Inputs x = values();
  const at::Tensor expected = masked_reference(x, visible());
  for (at::Tensor& one : x) one = one.to(at::kBFloat16);
  const at::Tensor ours =
      attention(x[0], x[1], x[2], std::nullopt, 0.0, true, 0.3, true, offsets());
  EXPECT_LT(distance(ours, expected.to(at::kDouble)), 2e-2);
}

TEST_F(Attention, RefusesWhatDoesNotFitTheSegments) {
  const Inputs x = values();
  const auto message = [&](const at::Tensor& segments, const std::optional<at::Tensor>& mask) {
    try {
      attention(x[0], x[1], x[2], mask, 0.0, false, 0.3, true, segments);
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  EXPECT_THAT(message(at::tensor({0, 4, 12, 20}, at::kLong), std::nullopt), HasSubstr("4 to 12"));
  EXPECT_THAT(message(at::tensor({0, 10}, at::kLong), std::nullopt), HasSubstr("0 to 20"));
  EXPECT_THAT(message(at::tensor({0, 10, 30}, at::kLong), std::nullopt), HasSubstr("10 to 30"));
  EXPECT_THAT(message(offsets(), at::ones({12, 12}, at::kBool)), HasSubstr("[12, 12]"));
}

TEST_F(Attention, PositionsBeginAtEachSegment) {
  const at::Tensor expected =
      at::tensor({0, 1, 2, 3, 0, 0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 5, 6, 0, 1, 2}, at::kLong)
          .reshape({2, 10});
  const at::Tensor one = at::arange(10);
  EXPECT_TRUE(at::equal(restart_positions(one, offsets()), expected));
  EXPECT_TRUE(at::equal(restart_positions(one.unsqueeze(0) + 2, offsets()), expected + 2));
  EXPECT_TRUE(at::equal(restart_positions(one.expand({2, 10}), offsets()), expected));
  EXPECT_TRUE(at::equal(restart_positions(one, std::nullopt), one));
  EXPECT_THROW(restart_positions(at::arange(7), offsets()), Error);
}

}  // namespace
}  // namespace salf::ops
