#include "core/signals.h"

#include <gtest/gtest.h>
#include <pthread.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <regex>
#include <thread>

#include "core/clock.h"

namespace salf::core {
namespace {

TEST(Signals, TheFirstIsRememberedAndTheSecondEndsTheProcess) {
  EXPECT_EXIT(
      {
        watch_stop_signals();
        ::kill(::getpid(), SIGTERM);
        for (int tries = 0; stop_signal() == 0 && tries < 1000; ++tries)
          std::this_thread::sleep_for(std::chrono::milliseconds(300));
        if (stop_signal() != SIGTERM) ::_exit(1);
        ::kill(::getpid(), SIGTERM);  // as timeout(1) sends it twice: still the first request
        std::this_thread::sleep_for(std::chrono::milliseconds(1300));
        ::kill(::getpid(), SIGINT);
        std::this_thread::sleep_for(std::chrono::seconds(300));
        ::_exit(2);
      },
      ::testing::ExitedWithCode(128 + SIGINT), "");
}

// Note [No signal handlers] in signals.cpp says why.
TEST(Signals, InterruptNoThreadThatComputes) {
  const auto interruptible = [](int number) {
    struct sigaction action {};
    ::sigaction(number, nullptr, &action);
    sigset_t blocked;
    ::pthread_sigmask(SIG_BLOCK, nullptr, &blocked);
    return action.sa_handler != SIG_DFL || ::sigismember(&blocked, number) != 1;
  };
  EXPECT_EXIT(
      {
        watch_stop_signals();
        bool any = interruptible(SIGINT) || interruptible(SIGTERM);
        std::thread([&] { any = any || interruptible(SIGINT) || interruptible(SIGTERM); }).join();
        ::_exit(any ? 1 : 0);
      },
      ::testing::ExitedWithCode(0), "");
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
  EXPECT_TRUE(
      std::regex_match(utc_now(), std::regex(R"(20\d\d-[01]\d-[0-3]\dT[0-2]\d:[0-5]\d:[0-6]\dZ)")));
}

}  // namespace
}  // namespace salf::core
