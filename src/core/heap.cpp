#include "core/heap.h"

#include <malloc.h>

namespace salf::core {

void trim_heap() {
#ifdef __GLIBC__
  ::malloc_trim(0);
#endif
}

}  // namespace salf::core
