#include "core/huge_pages.h"

#include <oneapi/tbb/scalable_allocator.h>

namespace drystill {

void use_huge_pages() {
  scalable_allocation_mode(TBBMALLOC_USE_HUGE_PAGES, 1);  // without effect where there are none
}

}  // namespace drystill
