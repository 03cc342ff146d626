#include "curriculum/rollout_ramps.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace drystill::curriculum {

RolloutPlan plan_rollouts(const RolloutRampOptions& options, double progress) {
  return {.window_low = options.window_low.at(progress),
          .window_high = options.window_high.at(progress),
          .length = options.length.at(progress),
          .temperature = options.temperature.at(progress)};
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
