// Arms at equal budget on the virtual clock, and a bench that goes on where it stopped.
#include <gmock/gmock.h>

#include "small_world.h"

namespace salf::testing {
namespace {

using ::testing::HasSubstr;
using Words = std::vector<std::string>;

class BenchTest : public SmallWorld {
 protected:
  static Words bench(const Words& more) {
    return joined({"bench", "model", "--data", "rows.jsonl", "--batch-tokens", "256", "--documents",
                      "8", "--stability", "0", "--dev-documents", "8", "--minutes", "0.02",
                      "--minutes", "0.03", "-o", "bench"},
        more);
  }
};

TEST_F(BenchTest, ArmsShareABudgetAndALaterCallGoesOn) {
  const Words two{"--arms", "plan", "--arms", "lora:0"};
  succeeds(bench(two));
  const std::string first = text("bench/bench.json");
  const core::Json rows = json("bench/bench.json")["rows"];
  ASSERT_EQ(rows.size(), 5U);
  EXPECT_EQ(rows[0]["name"], "untuned");
  for (std::size_t i = 1; i < rows.size(); ++i) {
    SCOPED_TRACE(rows[i].dump());
    EXPECT_EQ(rows[i]["name"], i < 3 ? "plan" : "lora:0");
    EXPECT_EQ(rows[i].contains("chose"), i < 3);
    EXPECT_GE(rows[i]["steps"], 2);
    EXPECT_LE(rows[i]["virtual_seconds"].get<double>(), 60.0 * rows[i]["minutes"].get<double>());
    EXPECT_LT(rows[i]["test_loss"].get<double>(), rows[0]["test_loss"].get<double>());
  }
  EXPECT_LT(rows[3]["steps"], rows[4]["steps"]);
  EXPECT_EQ(json("bench/losses/lora-0_0.03min_seed1.json")["document"].size(),
      json("bench/losses/untuned.json")["document"].size());

  const ProgramResult again = salf(bench(two));
  EXPECT_EQ(again.code, 0) << again.err;
  EXPECT_THAT(again.out, HasSubstr("lora:0"));
  EXPECT_EQ(text("bench/bench.json"), first);

  succeeds(bench({"--arms", "lora:0", "--arms", "lisa:1"}));
  const core::Json more = json("bench/bench.json")["rows"];
  ASSERT_EQ(more.size(), 7U);
  for (std::size_t i = 0; i < rows.size(); ++i) EXPECT_EQ(more[i], rows[i]);
  EXPECT_EQ(more[6]["name"], "lisa:1");

  const ProgramResult other = salf(bench({"--arms", "lora:0", "--max-length", "32"}));
  EXPECT_EQ(other.code, 2);
  EXPECT_THAT(other.err, HasSubstr("begun with another"));
  EXPECT_EQ(json("bench/bench.json")["rows"], more);
}

TEST_F(BenchTest, ABudgetThatPaysForNothingSaysSo) {
  const ProgramResult result = salf({"bench", "model", "--data", "rows.jsonl", "--arms", "full",
      "--minutes", "0.001", "--batch-tokens", "100000", "-o", "bench"});
  EXPECT_EQ(result.code, 6) << result.err;
  EXPECT_THAT(result.err, HasSubstr("give more --minutes"));
}

}  // namespace
}  // namespace salf::testing
