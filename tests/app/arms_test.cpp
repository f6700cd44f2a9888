#include "app/evidence/arms.h"

#include <filesystem>
#include <set>
#include <sstream>

#include "app/bench/bench_record.h"
#include "cost/estimate.h"
#include "support/sample_documents.h"

namespace salf::app {
namespace {

using support::expect_error;

TEST(BenchArms, ComeBackAsTheyAreWritten) {
  for (const char* text : {"plan", "full", "half", "cut:8", "last:6", "first:6", "middle:3",
           "random:5", "lisa:2", "lora:0", "lora:12"}) {
    EXPECT_EQ(arm_text(parse_arm(text)), text);
  }
  for (const char* text : {"", "cut", "full:3", "cut:0", "cut:-1", "cut:1.5", "cut:8x",
           "cut:99999999999999999999", "lora", "lora:-1", "cut:"}) {
    SCOPED_TRACE(text);
    support::expect_error(ErrorKind::kUsage, {"--arms", "cut:N"}, [&] { parse_arm(text); });
  }
}

TEST(BenchArms, AreCutsOrSetsOfBlocks) {
  EXPECT_EQ(arm_cut(parse_arm("half"), 30), 15);
  EXPECT_EQ(arm_cut(parse_arm("last:6"), 30), 24);
  EXPECT_EQ(arm_cut(parse_arm("cut:29"), 30), 29);
  EXPECT_EQ(arm_word(parse_arm("half")), "freeze");
  EXPECT_EQ(arm_blocks(parse_arm("first:3"), 30, 1, 0, 10), (std::vector<std::int64_t>{0, 1, 2}));
  EXPECT_EQ(
      arm_blocks(parse_arm("middle:4"), 10, 1, 0, 10), (std::vector<std::int64_t>{3, 4, 5, 6}));
  support::expect_error(
      ErrorKind::kUsage, {"cut:30", "30 blocks"}, [] { arm_cut(parse_arm("cut:30"), 30); });
  support::expect_error(
      ErrorKind::kUsage, {"first:31"}, [] { arm_cut(parse_arm("first:31"), 30); });
}

TEST(BenchArms, RandomBlocksStayAndLisasAreDrawnAgain) {
  const BenchArm random = parse_arm("random:5"), lisa = parse_arm("lisa:5");
  std::set<std::vector<std::int64_t>> drawn;
  for (std::int64_t step = 0; step < 100; ++step) {
    EXPECT_EQ(arm_blocks(random, 30, 4, step, 10), arm_blocks(random, 30, 4, 0, 10));
    const auto blocks = arm_blocks(lisa, 30, 4, step, 10);
    EXPECT_EQ(std::set<std::int64_t>(blocks.begin(), blocks.end()).size(), 5U);
    EXPECT_EQ(blocks, arm_blocks(lisa, 30, 4, 10 * (step / 10), 10));
    drawn.insert(blocks);
  }
  EXPECT_EQ(drawn.size(), 10U);
  EXPECT_NE(arm_blocks(random, 30, 4, 0, 10), arm_blocks(random, 30, 5, 0, 10));
}

TEST(BenchArms, AStepCostsWhatItsBlocksCost) {
  const types::ModelShape shape = support::sample_shape();
  const types::MeasuredCost cost = support::sample_cost();
  const types::DataShape data = support::sample_data();
  const StepPrice cut = step_price(parse_arm("cut:20"), 20, 1, 10, {cost, shape, data});
  EXPECT_DOUBLE_EQ(cut.first, cost::step_seconds(cost, shape, data, 20, 1).total());
  EXPECT_NEAR(cut.first - cut.later, 20 * 1000.0 * 7e-5, 1e-12);
  const StepPrice full = step_price(parse_arm("full"), 0, 1, 10, {cost, shape, data});
  EXPECT_DOUBLE_EQ(full.first, full.later);
  const StepPrice first = step_price(parse_arm("first:10"), 0, 1, 10, {cost, shape, data});
  EXPECT_GT(first.first, cut.first);  // the gradient has to pass through all blocks
  EXPECT_LT(first.first, full.first);
  const StepPrice lisa = step_price(parse_arm("lisa:10"), 0, 1, 10, {cost, shape, data});
  EXPECT_LT(lisa.first, first.first);
  EXPECT_GT(lisa.first, cut.first);
}

TEST(PairedDifference, IsSurerThanTheLossesAre) {
  DocumentLosses a, b;
  core::Random random(3, "losses");
  for (std::int64_t i = 0; i < 200; ++i) {
    const double tokens = 10.0 + static_cast<double>(random.below(40));
    const double level = tokens * (2.0 + random.normal());
    a.document.push_back(i);
    b.document.push_back(i);
    a.tokens.push_back(tokens);
    b.tokens.push_back(tokens);
    a.loss.push_back(level + 0.1 * tokens);
    b.loss.push_back(level);
  }
  const PairedDifference difference = paired_difference(a, b);
  EXPECT_NEAR(difference.mean, 0.1, 1e-9);
  EXPECT_LT(difference.standard_error, 1e-9);
  b.document[3] = 7777;
  support::expect_error(ErrorKind::kBadInput, {"same documents"}, [&] { paired_difference(a, b); });
}

}  // namespace
}  // namespace salf::app
