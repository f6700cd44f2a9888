// Control over the memory that the heap keeps.
#pragma once

namespace salf::core {

// Returns the heap's free pages to the system (glibc; elsewhere it does nothing).
void trim_heap();

}  // namespace salf::core
