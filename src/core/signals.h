// SIGINT and SIGTERM as a flag that loops poll.
#pragma once

namespace salf::core {

// Blocks the signals in this thread and all that it starts later, and starts a thread that waits
// for them and sets the flag. Call it before libraries start threads. A second signal, more than a
// second after the first, ends the process at once with 128 + its number.
void watch_stop_signals();

// The number of the first signal; 0 without one.
int stop_signal();

// Sets the flag as the signal would; 0 clears it. For tests and embedders.
void set_stop_signal(int signal_number);

}  // namespace salf::core
