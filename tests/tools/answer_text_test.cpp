#include "text/answer_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "text/terminal_text.h"

namespace salf::tools {
namespace {

using ::testing::HasSubstr;

TEST(TerminalText, ShowsWhatWouldActOnATerminal) {
  EXPECT_EQ(terminal_text("a\x1b[31mb\r\n\tc\x7f"), "a\\x1B[31mb\\r\n\tc\\x7F");
  EXPECT_EQ(terminal_text("x\u202Ey\xC2\x9Bz"), "x\\u{202E}y\\u{009B}z");
  EXPECT_EQ(terminal_text("\xFF\xC3"), "\\xFF\\xC3");
  EXPECT_EQ(terminal_text("caf\u00E9 \u200D\u4E2D"), "caf\u00E9 \u200D\u4E2D");
}

TEST(AnswerText, HasTwoColumnsWhereThereIsRoom) {
  const TitledText one{"base", "first\nsecond"}, other{"tuned", "third"};
  EXPECT_EQ(side_by_side(one, other, 40), "base:\nfirst\nsecond\ntuned:\nthird\n");
  const std::string wide = side_by_side(one, other, 63);
  EXPECT_THAT(wide, HasSubstr("first" + std::string(25, ' ') + " | third\n"));
  EXPECT_THAT(wide, HasSubstr("second" + std::string(24, ' ') + " |\n"));
}

TEST(AnswerText, ShowsTheAnswersOfARun) {
  const types::RunAnswers answers{64, 1.0, {{"asked", "right", "wrong\x1b[2J", std::nullopt}}};
  const std::string text = answers_text(answers, {});
  EXPECT_THAT(text, HasSubstr("reference       right\n"));
  EXPECT_THAT(text, HasSubstr("before          wrong\\x1B[2J\n"));
}

}  // namespace
}  // namespace salf::tools
