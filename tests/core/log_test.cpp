#include "core/log.h"

#include <gtest/gtest.h>

namespace salf::core {
namespace {

std::string logged(LogLevel level) {
  ::testing::internal::CaptureStderr();
  set_log_level(level);
  log_debug("d {} %s");
  log_info("i");
  log_warning("w");
  log_error("e");
  set_log_level(LogLevel::kInfo);
  return ::testing::internal::GetCapturedStderr();
}

TEST(Log, LevelsChooseWhatIsShownAndBracesMeanNothing) {
  EXPECT_EQ(
      logged(LogLevel::kDebug), "salf: debug: d {} %s\ni\nsalf: warning: w\nsalf: error: e\n");
  EXPECT_EQ(logged(LogLevel::kInfo), "i\nsalf: warning: w\nsalf: error: e\n");
  set_log_name("rank 3");
  EXPECT_EQ(logged(LogLevel::kWarning), "salf: rank 3: warning: w\nsalf: rank 3: error: e\n");
  set_log_name("");
  EXPECT_EQ(logged(LogLevel::kWarning), "salf: warning: w\nsalf: error: e\n");
  EXPECT_EQ(logged(LogLevel::kError), "salf: error: e\n");
  EXPECT_EQ(logged(LogLevel::kOff), "");
}

TEST(Printable, KeepsTextOfEveryLanguage) {
  const std::string text = "plain, Grüße, 日本語, \xF0\x9F\x98\x80";
  EXPECT_EQ(printable(text), text);
}

TEST(Printable, EscapesWhatATerminalWouldObey) {
  EXPECT_EQ(printable("a\x1B[31mb\r\n\t\x7F"), "a\\x1B[31mb\\x0D\\x0A\\x09\\x7F");
  EXPECT_EQ(printable(std::string("a\0b", 3)), "a\\x00b");
  EXPECT_EQ(printable("\xC2\x9B"
                      "1m"),
      "\\xC2\\x9B"
      "1m");  // U+009B, one-character CSI
}

TEST(Printable, EscapesBytesThatAreNoUtf8) {
  EXPECT_EQ(printable("a\xFFz"), "a\\xFFz");
  EXPECT_EQ(printable("\xC0\xAF"), "\\xC0\\xAF");
  EXPECT_EQ(printable("\xE6\x97"), "\\xE6\\x97");
}

TEST(Printable, CutsBetweenCharacters) {
  EXPECT_EQ(printable("abcdef", 3), "abc…");
  EXPECT_EQ(printable("abc", 3), "abc");
  EXPECT_EQ(printable("a日本", 5), "a日…");
}

}  // namespace
}  // namespace salf::core
