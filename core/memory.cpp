#include "core/memory.h"

#include <malloc.h>

#include <limits>

namespace drystill {

void keep_freed_memory() {
  mallopt(M_MMAP_MAX, 0);  // large blocks from the heap too: a block of its own is unmapped when freed
  mallopt(M_TRIM_THRESHOLD, std::numeric_limits<int>::max());
}

}  // namespace drystill
