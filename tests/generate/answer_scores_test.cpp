#include "generate/answer_scores.h"

#include <gtest/gtest.h>

namespace salf::generate {
namespace {

TEST(AnswerScores, NormalizesAsSquadDoes) {
  EXPECT_EQ(normalized_answer("  The  Eiffel-Tower, an old a's! "), "eiffeltower old as");
  EXPECT_EQ(normalized_answer("\xC3\x84 the THE\nTheatre"), "\xC3\xA4 theatre");
  EXPECT_TRUE(exact_match("the Cat.", "cat"));
  EXPECT_FALSE(exact_match("cats", "cat"));
}

TEST(AnswerScores, F1CountsWordsAsOftenAsBothHaveThem) {
  EXPECT_DOUBLE_EQ(token_f1("b c c", "c c c d"), 2.0 * 2.0 / 7.0);
  EXPECT_DOUBLE_EQ(token_f1("same words", "words, same"), 1.0);
  EXPECT_DOUBLE_EQ(token_f1("x", "y"), 0.0);
  EXPECT_DOUBLE_EQ(token_f1("the", "a"), 1.0);
  EXPECT_DOUBLE_EQ(token_f1("", "word"), 0.0);
}

TEST(AnswerScores, FindsTheFinalNumber) {
  EXPECT_EQ(final_number("3 and 4 make 7. #### 1,234"), 1234.0);
  EXPECT_EQ(final_number("so 5 apples #### -12 (not 13)"), -12.0);
  EXPECT_EQ(final_number("it costs $1,200.50."), 1200.5);
  EXPECT_EQ(final_number("10, 20"), 20.0);
  EXPECT_EQ(final_number("about .5"), 0.5);
  EXPECT_EQ(final_number("v1.2.3"), 3.0);
  EXPECT_EQ(final_number("no number"), std::nullopt);
  EXPECT_EQ(final_number("7 #### none"), std::nullopt);
}

}  // namespace
}  // namespace salf::generate
