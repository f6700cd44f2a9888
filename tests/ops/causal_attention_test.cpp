#include "ops/causal_attention.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include "ops/bf16_products.h"

namespace salf::ops {
namespace {

struct Shape {
  std::int64_t heads, groups, length, width;
};

at::Tensor random(at::IntArrayRef shape, std::int64_t seed) {
  at::manual_seed(static_cast<std::uint64_t>(seed));
  return at::randn(shape).to(at::kBFloat16);
}

// In double, with the mask written out.
at::Tensor reference(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, double scale,
    const std::vector<Segment>& segments) {
  const std::int64_t group = q.size(1) / k.size(1);
  const at::Tensor keys = k.repeat_interleave(group, 1), values = v.repeat_interleave(group, 1);
  at::Tensor seen = at::zeros({q.size(0), 1, q.size(2), q.size(2)}, at::kBool);
  for (const Segment& segment : segments) {
    const auto past = at::ones({segment.length, segment.length}, at::kBool).tril();
    seen[segment.row][0]
        .narrow(0, segment.begin, segment.length)
        .narrow(1, segment.begin, segment.length)
        .copy_(past);
  }
  const at::Tensor scores = at::matmul(q, keys.transpose(2, 3)) * scale;
  return at::matmul(at::softmax(scores.masked_fill(seen.logical_not(), -1e30), -1), values);
}

double share_apart(const at::Tensor& a, const at::Tensor& b) {
  return ((a.to(at::kDouble) - b).norm() / b.norm().clamp_min(0.01)).item<double>();
}

class CausalAttentionTest : public ::testing::TestWithParam<Shape> {
 protected:
  void SetUp() override {
    if (!has_bf16_products()) GTEST_SKIP() << "this processor has no AVX512-BF16";
  }
};

TEST_P(CausalAttentionTest, EqualsTheFormulaWithItsGradients) {
  const Shape shape = GetParam();
  const std::int64_t n = shape.length;
  const std::vector<Segment> segments =
      n > 3 ? std::vector<Segment>{{0, 0, n}, {1, 0, n / 3}, {1, n / 3, n - n / 3}}
            : std::vector<Segment>{{0, 0, n}, {1, 0, n}};
  // As a model has them: [B, T, H, C] with the heads turned to the front.
  const auto heads = [&](std::int64_t count, std::int64_t seed) {
    return random({2, n, count, shape.width}, seed).transpose(1, 2).requires_grad_(true);
  };
  const at::Tensor q = heads(shape.heads, 1), k = heads(shape.groups, 2),
                   v = heads(shape.groups, 3);
  ASSERT_TRUE(has_causal_attention(q, k, v));
  const at::Tensor y = causal_attention(q, k, v, 0.3, segments);
  const at::Tensor slope = random(y.sizes(), 4);
  const auto gradients = torch::autograd::grad({y}, {q, k, v}, {slope});

  const auto wide = [](const at::Tensor& x) {
    return x.detach().to(at::kDouble).requires_grad_(true);
  };
  const at::Tensor wq = wide(q), wk = wide(k), wv = wide(v);
  const at::Tensor expected = reference(wq, wk, wv, 0.3, segments);
  const auto slopes = torch::autograd::grad({expected}, {wq, wk, wv}, {slope.to(at::kDouble)});
  EXPECT_LT(share_apart(y, expected), 0.006);  // a bfloat16 has 8 bits
  for (std::size_t i = 0; i < 3; ++i) EXPECT_LT(share_apart(gradients[i], slopes[i]), 0.01) << i;
}

TEST_P(CausalAttentionTest, TakesSlopesThatAllPositionsShare) {
  const Shape shape = GetParam();
  const at::Tensor q = random({1, shape.heads, shape.length, shape.width}, 5).requires_grad_(true);
  const at::Tensor k = random({1, shape.groups, shape.length, shape.width}, 6);
  const at::Tensor y = causal_attention(q, k, k, 0.3, {{0, 0, shape.length}});
  const at::Tensor slope = random({1, shape.heads, 1, shape.width}, 7).expand_as(y);
  const auto shared = torch::autograd::grad({y}, {q}, {slope}, /*retain_graph=*/true);
  const auto apart = torch::autograd::grad({y}, {q}, {slope.clone(at::MemoryFormat::Contiguous)});
  EXPECT_TRUE(at::equal(shared[0], apart[0]));
}

INSTANTIATE_TEST_SUITE_P(Shapes, CausalAttentionTest,
    ::testing::Values(Shape{1, 1, 1, 2}, Shape{3, 1, 17, 64}, Shape{4, 2, 130, 80},
        Shape{2, 2, 64, 32}, Shape{9, 3, 257, 64}, Shape{1, 1, 200, 256}),
    [](const auto& tested) {
      return std::to_string(tested.param.length) + "x" + std::to_string(tested.param.width);
    });

TEST(HasCausalAttention, OnlyForWhatItCanDo) {
  const at::Tensor q = at::zeros({1, 4, 8, 16}, at::kBFloat16);
  EXPECT_FALSE(has_causal_attention(q, q, q.to(at::kFloat)));
  EXPECT_FALSE(has_causal_attention(q, q.narrow(1, 0, 3), q.narrow(1, 0, 3)));
  EXPECT_FALSE(has_causal_attention(q, q, q.narrow(3, 0, 8)));
}

}  // namespace
}  // namespace salf::ops
