#pragma once

namespace drystill {

// Asks oneTBB's allocator for huge pages where the system has them, for the programs that it serves
// (cmake/ScalableAllocator.cmake). A large matrix otherwise spans tens of thousands of pages, and looking those up
// costs products with it a tenth of their time. Call before the first large allocation.
void use_huge_pages();

}  // namespace drystill
