#include "text/tables.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <sstream>
#include <string>

#include "core/json.h"
#include "text/answer_text.h"

namespace salf::tools {
namespace {

TEST(TrialsText, StaysWithinEightyColumns) {
  types::TrialTable table;
  table.steps = 24;
  table.loss_before = 2.165;
  table.arms = {{"full", types::Arm::kFull, 0, 1.5e-4, 1.9, 0.265, 0.01, 0.0, 0.0, 50.0},
      {"cut:8", types::Arm::kFreeze, 8, 2e-4, 1.91, 0.255, 0.01, 0.01, 0.004, 40.0}};
  table.arms[1].rates = {{0.5, 1.89, -0.02, 0.004}, {1000.0, 12.5, 10.6, 0.5}};
  const std::string text = trials_text(table);
  std::size_t longest = 0, length = 0;
  for (const char c : text) {
    length = c == '\n' ? 0 : length + 1;
    longest = std::max(longest, length);
  }
  EXPECT_LE(longest, 80U);
  EXPECT_NE(text.find("cut:8"), std::string::npos);
  EXPECT_NE(text.find("-0.0200 +-0.0040 to that"), std::string::npos);
}

TEST(BenchTable, HasALineAnArmAndPairsWithFull) {
  const std::filesystem::path folder =
      std::filesystem::path(::testing::TempDir()) / "salf_bench_table";
  std::filesystem::create_directories(folder);
  app::BenchRecord record;
  const auto add = [&](const char* arm, const char* name, std::int64_t seed, double loss) {
    app::BenchRow row;
    row.arm = arm;
    row.name = name;
    row.minutes = 2.0;
    row.seed = seed;
    row.test_loss = loss;
    row.test_se = 0.01;
    row.steps = 1234;
    record.rows.push_back(row);
    app::DocumentLosses losses;
    for (std::int64_t i = 0; i < 10; ++i) {
      losses.document.push_back(i);
      losses.tokens.push_back(10.0);
      losses.loss.push_back(10.0 * loss);
    }
    core::write_document(folder / (app::row_key(row) + ".json"), losses);
  };
  add("full", "full", 1, 2.0);
  add("full", "full", 2, 2.1);
  add("freeze", "cut:8", 1, 1.9);
  add("freeze", "cut:8", 2, 2.02);
  const std::string text = bench_table(record, folder);
  std::filesystem::remove_all(folder);
  EXPECT_THAT(text, ::testing::AllOf(::testing::HasSubstr("2.0500 +-0.0980"),
                        ::testing::HasSubstr("-0.0900 +-0.0196"), ::testing::HasSubstr("1,234")));
  std::istringstream lines(text);
  int count = 0;
  for (std::string line; std::getline(lines, line); ++count) EXPECT_LE(line.size(), 80U) << line;
  EXPECT_EQ(count, 3);
}

TEST(SideBySide, IsOneBelowTheOtherWithoutATerminal) {
  const std::string word(200, 'x');
  EXPECT_EQ(side_by_side({"one", word + " a"}, {"two", "b"}, 0), "one:\n" + word + " a\ntwo:\nb\n");
}

TEST(Wrapped, EndsWhereALineHasNoRoomForACharacter) {
  EXPECT_THAT(wrapped("語 語", 1), ::testing::ElementsAre("語", "語"));
  EXPECT_EQ(wrapped("ab", 0).size(), 1U);
}

}  // namespace
}  // namespace salf::tools
