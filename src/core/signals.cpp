#include "core/signals.h"

#include <pthread.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <thread>

#include "core/error.h"

namespace salf::core {
namespace {

std::atomic<int> requested{0};

// timeout(1) and job runners signal a process and then its group: one request, two signals.
constexpr std::chrono::seconds kSameRequest{1};

void take(int number, std::chrono::steady_clock::time_point& first) {
  int none = 0;
  const auto now = std::chrono::steady_clock::now();
  if (requested.compare_exchange_strong(none, number)) {
    first = now;
  } else if (now - first > kSameRequest) {
    ::_exit(128 + number);
  }
}

}  // namespace

// Note [No signal handlers]
// oneDNN's generated float32 products keep data in the stack pointer. A handler that interrupts one
// writes its frame into weights or the heap. So the signals are blocked in every thread, and one
// thread waits for them.
void watch_stop_signals() {
  sigset_t stops;
  ::sigemptyset(&stops);
  ::sigaddset(&stops, SIGINT);
  ::sigaddset(&stops, SIGTERM);
  if (::pthread_sigmask(SIG_BLOCK, &stops, nullptr) != 0)
    throw Error(ErrorKind::kInternal, "SIGINT and SIGTERM cannot be blocked");
  std::thread([stops] {
    std::chrono::steady_clock::time_point first;
    for (int number = 0;;) {
      if (::sigwait(&stops, &number) == 0) take(number, first);
    }
  }).detach();
}

int stop_signal() { return requested.load(); }

void set_stop_signal(int signal_number) { requested.store(signal_number); }

}  // namespace salf::core
