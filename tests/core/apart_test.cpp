#include "core/apart.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <stdexcept>

namespace salf::core {
namespace {

using ::testing::HasSubstr;

TEST(Apart, GivesWhatTheWorkReturns) {
  const std::string large(1U << 20U, 'x');  // more than a pipe holds
  const ApartResult result = run_apart([&] { return large; }, 30.0);
  EXPECT_EQ(result.problem, "");
  EXPECT_EQ(result.text, large);
}

TEST(Apart, SurvivesACrash) {
  const ApartResult result = run_apart(
      []() -> std::string {
        std::raise(SIGABRT);
        return "";
      },
      30.0);
  EXPECT_THAT(result.problem, HasSubstr("signal 6"));
}

TEST(Apart, EndsWhatHangs) {
  const ApartResult result = run_apart(
      []() -> std::string {
        for (;;) ::pause();
      },
      0.05);
  EXPECT_THAT(result.problem, HasSubstr("no answer"));
}

TEST(Apart, PassesErrorsOnAndPrintsNothing) {
  ::testing::internal::CaptureStdout();
  const ApartResult result = run_apart(
      []() -> std::string {
        std::printf("noise\n");
        std::fflush(stdout);
        throw std::runtime_error("no such library");
      },
      30.0);
  EXPECT_EQ(::testing::internal::GetCapturedStdout(), "");
  EXPECT_EQ(result.problem, "no such library");
  EXPECT_EQ(result.text, "");
  EXPECT_THAT(run_apart([]() -> std::string { ::_exit(7); }, 30.0).problem, HasSubstr("code 7"));
}

}  // namespace
}  // namespace salf::core
