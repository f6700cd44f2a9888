#include "salf/core/signals.h"

#include <unistd.h>

#include <atomic>
#include <csignal>

namespace salf::core {
namespace {

std::atomic<int> requested{0};
static_assert(std::atomic<int>::is_always_lock_free, "the handler may only touch lock-free atomics");

void on_signal(int number) {
  int none = 0;
  if (!requested.compare_exchange_strong(none, number)) ::_exit(128 + number);
}

}  // namespace

void install_stop_handlers() {
  struct sigaction action {};
  action.sa_handler = on_signal;
  ::sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART;  // reads and writes under way are finished, not torn
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
}

int stop_signal() { return requested.load(); }

void set_stop_signal(int signal_number) { requested.store(signal_number); }

}  // namespace salf::core
