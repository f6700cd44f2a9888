// Has the user asked the program to stop? SIGINT and SIGTERM set a flag; loops look at it, save and leave.
#pragma once

namespace salf::core {

// Installs the handlers. A second signal ends the process at once with 128 + its number.
void install_stop_handlers();

// 0, or the number of the signal that asked for the stop.
int stop_signal();

// Tests and embedders: as if the signal had come (0 clears it).
void set_stop_signal(int signal_number);

}  // namespace salf::core
