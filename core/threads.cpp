#include "core/threads.h"

#include <ATen/Parallel.h>
#include <sched.h>

namespace drystill {

void limit_threads(std::int64_t threads) {
  if (threads <= 0) {
    cpu_set_t allowed;
    CPU_ZERO(&allowed);
    threads = sched_getaffinity(0, sizeof allowed, &allowed) == 0 ? CPU_COUNT(&allowed) : 1;
  }
  at::set_num_threads(static_cast<int>(threads));
}

}  // namespace drystill
