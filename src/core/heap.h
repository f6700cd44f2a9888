// Does the process hold what it no longer uses?
#pragma once

namespace salf::core {

// Gives the heap's free pages back to the system, so that what is held is what is used. With glibc;
// nothing elsewhere.
void trim_heap();

}  // namespace salf::core
