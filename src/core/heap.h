// Control over the memory that the heap keeps.
#pragma once

#include <malloc.h>

namespace salf::core {

// Returns the heap's free pages to the system (glibc; elsewhere it does nothing).
inline void trim_heap() {
#ifdef __GLIBC__
  ::malloc_trim(0);
#endif
}

}  // namespace salf::core
