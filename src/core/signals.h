// Has the user asked the program to stop? SIGINT and SIGTERM set a flag; loops look at it, save and
// leave.
#pragma once

namespace salf::core {

// From now on the flag is set, by a thread that waits for the signals: no other is interrupted, in
// this thread and those it starts the signals are blocked. Call it first of all, before libraries
// start threads. A second signal, a second or more after the first, ends the process at once with
// 128 + its number.
void watch_stop_signals();

// 0, or the number of the signal that asked for the stop.
int stop_signal();

// Tests and embedders: as if the signal had come (0 clears it).
void set_stop_signal(int signal_number);

}  // namespace salf::core
