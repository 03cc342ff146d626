#include "journal/summary.h"

#include <gtest/gtest.h>

#include <cmath>

namespace drystill::journal {
namespace {

Series series_of(const std::vector<double>& values) {
  Series series{.group = "evaluation", .name = "accuracy", .points = {}};
  for (std::size_t i = 0; i < values.size(); ++i) {
    series.points.push_back({.step = static_cast<std::int64_t>(10 * (i + 1)), .value = values[i]});
  }
  return series;
}

TEST(Summarise, ClosedForm) {
  const auto summary = summarise(series_of({2, 4, 4, 4, 5, 5, 7, 9}));
  EXPECT_EQ(summary->count, 8);
  EXPECT_EQ(summary->last, 9);
  EXPECT_EQ(summary->last_step, 80);
  EXPECT_DOUBLE_EQ(summary->mean, 5);
  EXPECT_DOUBLE_EQ(summary->variance, 4);
  EXPECT_EQ(summary->best, 9);
  EXPECT_EQ(summary->best_step, 80);
}

TEST(Summarise, TheBestIsTheFirstOfItsValueAndNotTheLast) {
  const auto summary = summarise(series_of({0.5, 0.9, 0.9, 0.7}));
  EXPECT_EQ(summary->best_step, 20);
  EXPECT_EQ(summary->last, 0.7);
}

TEST(Summarise, CloseValuesKeepTheirVariance) {
  const auto summary = summarise(series_of({1e9 + 4, 1e9 + 7, 1e9 + 13, 1e9 + 16}));
  EXPECT_DOUBLE_EQ(summary->variance, 22.5);
}

TEST(Summarise, NotFiniteValuesCountForTheLastOnly) {
  const auto summary = summarise(series_of({1, 3, std::nan("")}));
  EXPECT_EQ(summary->count, 2);
  EXPECT_EQ(summary->mean, 2);
  EXPECT_TRUE(std::isnan(summary->last));
  EXPECT_TRUE(std::isnan(summarise(series_of({INFINITY}))->mean));
  EXPECT_FALSE(summarise(series_of({})).has_value());
}

TEST(MeanDeviation, ClosedForm) {
  const auto both = mean_deviation({1, 2, 3});
  EXPECT_DOUBLE_EQ(both.mean, 2);
  EXPECT_DOUBLE_EQ(both.deviation, 1);
  EXPECT_TRUE(std::isnan(mean_deviation({1}).deviation));
  EXPECT_TRUE(std::isnan(mean_deviation({}).mean));
}

}  // namespace
}  // namespace drystill::journal
