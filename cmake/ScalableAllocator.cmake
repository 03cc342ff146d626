# Serves all of a program's memory from oneTBB's allocator. A training step frees and asks again for the same hundreds of
# megabytes: the C library gives each back to the system and gets fresh zeroed pages for the next (a quarter of a step's
# time on two cores) or, told to keep them, falls into pieces (14 GB after 500 steps of a job that needs 4).
function(drystill_use_scalable_allocator target)
  if(NOT DRYSTILL_SANITIZE)  # the sanitizers bring an allocator of their own
    target_link_libraries(${target} PRIVATE TBB::tbbmalloc_proxy)
  endif()
endfunction()
