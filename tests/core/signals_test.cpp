#include "salf/core/signals.h"

#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <regex>
#include <thread>

#include "salf/core/clock.h"

namespace salf::core {
namespace {

TEST(Signals, TheFirstIsRememberedAndTheSecondEndsTheProcess) {
  EXPECT_EXIT(
      {
        install_stop_handlers();
        std::raise(SIGTERM);
        if (stop_signal() != SIGTERM) ::_exit(1);
        std::raise(SIGINT);
        ::_exit(2);
      },
      ::testing::ExitedWithCode(128 + SIGINT), "");
}

TEST(Signals, CanBeSetAndCleared) {
  EXPECT_EQ(stop_signal(), 0);
  set_stop_signal(SIGINT);
  EXPECT_EQ(stop_signal(), SIGINT);
  set_stop_signal(0);
  EXPECT_EQ(stop_signal(), 0);
}

TEST(Clock, AgeOfTheProcessGrowsWithTheClock) {
  const double age = process_seconds();
  EXPECT_GE(age, -0.02);  // the kernel counts in hundredths of a second
  EXPECT_LT(age, 600.0);
  const Stopwatch stopwatch;
  std::this_thread::sleep_for(std::chrono::milliseconds(30));
  EXPECT_GE(stopwatch.seconds(), 0.03);
  EXPECT_GE(process_seconds() - age, 0.03);
}

TEST(Clock, CalendarTimeIsIso8601) {
  EXPECT_TRUE(std::regex_match(utc_now(), std::regex(R"(20\d\d-[01]\d-[0-3]\dT[0-2]\d:[0-5]\d:[0-6]\dZ)")));
}

}  // namespace
}  // namespace salf::core
