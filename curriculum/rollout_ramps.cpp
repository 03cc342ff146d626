#include "curriculum/rollout_ramps.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace drystill::curriculum {

double ramp_value(const Ramp& ramp, double progress) {
  if (progress >= ramp.end) return ramp.to;
  if (progress <= ramp.begin) return ramp.from;
  return ramp.from + (ramp.to - ramp.from) * (progress - ramp.begin) / (ramp.end - ramp.begin);
}

RolloutPlan plan_rollouts(const RolloutRampOptions& options, double progress) {
  return {.window_low = ramp_value(options.window_low, progress),
          .window_high = ramp_value(options.window_high, progress),
          .length = ramp_value(options.length, progress),
          .temperature = ramp_value(options.temperature, progress)};
}

std::vector<std::int64_t> select_window(const std::vector<double>& divergences, const RolloutPlan& plan) {
  const auto count = static_cast<std::int64_t>(divergences.size());
  if (count == 0) return {};
  std::vector<std::int64_t> order(divergences.size());
  std::iota(order.begin(), order.end(), 0);
  const auto hardness = [&](std::int64_t i) {
    const double value = divergences[static_cast<std::size_t>(i)];
    return std::isnan(value) ? std::numeric_limits<double>::infinity() : value;
  };
  std::ranges::stable_sort(order, {}, hardness);
  const double low = std::clamp(plan.window_low, 0.0, 1.0), high = std::clamp(plan.window_high, low, 1.0);
  const auto kept = std::clamp<std::int64_t>(std::llround(static_cast<double>(count) * (high - low)), 1, count);
  const auto first = std::min(std::llround(static_cast<double>(count) * low), static_cast<long long>(count - kept));
  return {order.begin() + first, order.begin() + first + kept};
}

}  // namespace drystill::curriculum
