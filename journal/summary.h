#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "journal/metrics_reader.h"

namespace drystill::journal {

// What to print beside a best value that was picked by looking at the test set: without validation data nobody could
// have stopped there, so it is a bound, not a result. The result is the last step.
inline constexpr std::string_view kBestLabel = "best (chosen on real test data)";

// One number over a whole run. Mean and variance over the evaluations of a run are the robustness measures of the
// data-free literature (CuDFKD, arXiv 2208.13648, section 4): a method that collapses late shows here.
struct SeriesSummary {
  std::int64_t count = 0;  // evaluations with a finite value
  double last = 0;         // of the last evaluation, finite or not
  std::int64_t last_step = 0;
  double mean = 0;
  double variance = 0;  // of the population: divided by count
  double best = 0;      // the largest
  std::int64_t best_step = 0;
};

// Nothing for a series without a point. NaN and infinities count for `last` only; with no finite value the rest is NaN.
std::optional<SeriesSummary> summarise(const Series& series);

// Over repetitions (seeds). The deviation is of the sample, divided by count - 1; NaN for fewer than two values.
struct MeanDeviation {
  double mean = 0;
  double deviation = 0;
};
MeanDeviation mean_deviation(const std::vector<double>& values);

}  // namespace drystill::journal
