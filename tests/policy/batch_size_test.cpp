#include "policy/batch_size.h"

#include <gmock/gmock.h>

#include <vector>

namespace salf::policy {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// A GPU that takes `fixed` seconds a batch and one a token, with a byte of memory for each token.
class ChosenBatchSize : public ::testing::Test {
 protected:
  BatchSize choose() {
    return choose_batch_size(
        terms_, {[](std::int64_t tokens) { return static_cast<double>(tokens); },
                    [this](std::int64_t tokens) -> std::optional<double> {
                      timed_.push_back(tokens);
                      if (tokens > most_) return std::nullopt;
                      return 1.0 + fixed_ / static_cast<double>(tokens);
                    }});
  }

  BatchSizeTerms terms_{1024, 100, 1e9, 1, 20, 1e9, {}, {}};
  double fixed_ = 0.0;
  std::int64_t most_ = 1'000'000;
  std::vector<std::int64_t> timed_;
};

TEST_F(ChosenBatchSize, StaysTheUsualOneWhereMoreTokensAreNoQuicker) {
  const BatchSize size = choose();
  EXPECT_EQ(size.tokens, 1024);
  EXPECT_EQ(size.reason, "batches of 2048 would take nothing off a token's time");
  EXPECT_THAT(timed_, ElementsAre(1024, 2048));
}

TEST_F(ChosenBatchSize, DoublesAsLongAsATenthOfTheTimeIsWon) {
  fixed_ = 4096.0;  // seconds of a token: 5, 3, 2, 1.5, 1.25
  EXPECT_EQ(choose().tokens, 16384);
  fixed_ = 1536.0;  // 2.5, 1.75, 1.375, 1.1875, 1.09375
  const BatchSize size = choose();
  EXPECT_EQ(size.tokens, 8192);
  EXPECT_EQ(size.reason, "batches of 16384 would take only 7.9 % off a token's time");
}

TEST_F(ChosenBatchSize, LeavesATenthOfTheMemoryFree) {
  fixed_ = 1e6;
  terms_.memory_bytes = 4096.0 / 0.9 + 1.0;
  EXPECT_EQ(choose().tokens, 4096);
  terms_.memory_bytes = 4096.0 / 0.9 - 1.0;
  const BatchSize size = choose();
  EXPECT_EQ(size.tokens, 2048);
  EXPECT_THAT(size.reason, HasSubstr("batches of 4096 would need about 4.1 kB of the 4.5 kB"));
  EXPECT_THAT(timed_, ElementsAre(1024, 2048, 4096, 1024, 2048));
}

TEST_F(ChosenBatchSize, IsHalvedDownToTheLongestRowWhereTheUsualOneDoesNotFit) {
  fixed_ = 1e6;
  terms_.memory_bytes = 300.0;
  EXPECT_EQ(choose().tokens, 256);
  terms_.memory_bytes = 3.0;
  EXPECT_EQ(choose().tokens, 100);
  terms_.memory_bytes = 1e9;
  most_ = 512;
  const BatchSize refused = choose();
  EXPECT_EQ(refused.tokens, 512);
  EXPECT_EQ(refused.reason, "the GPU had no memory to time a batch of 1024");
}

TEST_F(ChosenBatchSize, LeavesTheRunItsSteps) {
  fixed_ = 1e6;
  terms_.accumulate = 2;
  terms_.epoch_tokens = 32.0 * 2.0 * 2048.0;
  const BatchSize size = choose();
  EXPECT_EQ(size.tokens, 2048);
  EXPECT_EQ(size.reason, "batches of 4096 would leave the run too few steps");
  terms_.epoch_tokens = 1e9;
  terms_.tokens = 32.0 * 2.0 * 4096.0;
  EXPECT_EQ(choose().tokens, 4096);
  terms_.min_steps = 64;
  EXPECT_EQ(choose().tokens, 2048);
  terms_.tokens.reset();
  fixed_ = 4096.0;
  terms_.seconds = 100.0 * 2.0 * 4096.0 * 3.0;
  EXPECT_EQ(choose().tokens, 4096);
}

}  // namespace
}  // namespace salf::policy
