#include "distiller/learning_rate.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace drystill::distiller {
namespace {

double cosine(double share, double final_factor) {
  return final_factor + (1 - final_factor) * 0.5 * (1 + std::cos(std::numbers::pi * std::clamp(share, 0.0, 1.0)));
}

}  // namespace

double learning_rate_factor(const ScheduleOptions& schedule, std::int64_t step, std::int64_t total) {
  const double share = static_cast<double>(step) / static_cast<double>(std::max<std::int64_t>(total, 1));
  const double ramp_steps = schedule.warmup * static_cast<double>(total);
  const double ramp = ramp_steps > 0 ? std::min(1.0, static_cast<double>(step + 1) / ramp_steps) : 1.0;
  switch (schedule.kind) {
    case ScheduleKind::kConstant:
      return ramp;
    case ScheduleKind::kLinear:
      return ramp * (1 - (1 - schedule.final_factor) * share);
    case ScheduleKind::kCosine:
      return ramp * cosine(share, schedule.final_factor);
    case ScheduleKind::kStep: {
      const auto passed = std::count_if(schedule.milestones.begin(), schedule.milestones.end(),
                                        [share](double milestone) { return share >= milestone; });
      return ramp * std::pow(schedule.decay, static_cast<double>(passed));
    }
    case ScheduleKind::kOneCycle:
      if (ramp < 1) return ramp;
      return cosine((share - schedule.warmup) / std::max(1 - schedule.warmup, 1e-12), schedule.final_factor);
  }
  return 1;
}

}  // namespace drystill::distiller
