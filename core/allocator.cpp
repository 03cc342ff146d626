#include "core/allocator.h"

#include <oneapi/tbb/scalable_allocator.h>

namespace drystill {

void set_up_allocator() {
  scalable_allocation_mode(TBBMALLOC_USE_HUGE_PAGES, 1);  // without effect where there are none
  scalable_allocation_mode(TBBMALLOC_SET_HUGE_SIZE_THRESHOLD, 8 << 20);
}

void release_freed_blocks() {
  scalable_allocation_command(TBBMALLOC_CLEAN_ALL_BUFFERS, nullptr);
}

}  // namespace drystill
