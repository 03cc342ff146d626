#pragma once

#include <cstdint>

#include "distiller/options.h"

namespace drystill::distiller {

// The factor of the peak learning rate at `step` of `total` (0 <= step < total). A pure function: nothing to save.
//   constant   1
//   linear     1 - (1 - final) s with s = step / total
//   cosine     final + (1 - final) (1 + cos(pi s)) / 2 (SGDR without restarts)
//   step       decay^(milestones passed)
//   one_cycle  linear from 0 to 1 over `warmup`, then cosine down to `final`
// `warmup` multiplies all kinds by a linear ramp over the first share of the run.
double learning_rate_factor(const ScheduleOptions& schedule, std::int64_t step, std::int64_t total);

}  // namespace drystill::distiller
