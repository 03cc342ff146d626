#pragma once

namespace drystill {

// Fits oneTBB's allocator to training, for the programs that it serves (cmake/ScalableAllocator.cmake). Call before the
// first large allocation.
//
// It takes huge pages where the system has them: a large matrix otherwise spans tens of thousands of pages, and looking
// those up costs products with it a tenth of their time. And it keeps what is freed of 8 MB or more for the next
// allocation of that size: every step asks for the same again, and fresh zeroed pages cost an eighth of its time.
void set_up_allocator();

// Gives back to the system what the allocator keeps for later. What it keeps is sorted by size, so that texts of ever
// other lengths let it grow by the hour. Takes some tenths of a second, most of it in the allocations after.
void release_freed_blocks();

}  // namespace drystill
