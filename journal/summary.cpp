#include "journal/summary.h"

#include <cmath>
#include <limits>

namespace drystill::journal {

std::optional<SeriesSummary> summarise(const Series& series) {
  if (series.points.empty()) return std::nullopt;
  constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
  SeriesSummary result{.last = series.points.back().value, .last_step = series.points.back().step};

  double squares = 0;  // Welford: sum of squared distances from the running mean, exact where values lie close together
  for (const Point& point : series.points) {
    if (!std::isfinite(point.value)) continue;
    ++result.count;
    const double distance = point.value - result.mean;
    result.mean += distance / static_cast<double>(result.count);
    squares += distance * (point.value - result.mean);
    if (result.count == 1 || point.value > result.best) {
      result.best = point.value;
      result.best_step = point.step;
    }
  }
  if (result.count == 0) {
    result.mean = result.variance = result.best = kNone;
  } else {
    result.variance = squares / static_cast<double>(result.count);
  }
  return result;
}

MeanDeviation mean_deviation(const std::vector<double>& values) {
  constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
  if (values.empty()) return {.mean = kNone, .deviation = kNone};
  const auto count = static_cast<double>(values.size());
  double sum = 0, squares = 0;
  for (const double value : values) sum += value;
  const double mean = sum / count;
  for (const double value : values) squares += (value - mean) * (value - mean);
  return {.mean = mean, .deviation = values.size() < 2 ? kNone : std::sqrt(squares / (count - 1))};
}

}  // namespace drystill::journal
