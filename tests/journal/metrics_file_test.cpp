#include "journal/metrics_file.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <fstream>
#include <limits>
#include <random>

#include "core/error.h"
#include "journal/metrics_reader.h"
#include "journal/text_file.h"
#include "tests/support/temporary_folder.h"

namespace drystill::journal {
namespace {

void write(const std::filesystem::path& path, std::string_view text) {
  std::ofstream(path, std::ios::binary) << text;
}

TEST(MetricsLine, IsAsDocumented) {
  EXPECT_EQ(to_json_line(100, "eval", {{"accuracy", 0.8612}, {"loss", std::nan("")}}, 41.7),
            R"({"schema":1,"step":100,"group":"eval","values":{"accuracy":0.8612,"loss":"nan"},"seconds":41.7})");
  EXPECT_EQ(to_json_line(-1, "a\"b\n", {{"x", INFINITY}, {"y", -INFINITY}}, 0.00049),
            R"({"schema":1,"step":-1,"group":"a\"b\n","values":{"x":"inf","y":"-inf"},"seconds":0})");
}

TEST(MetricsFile, NumbersReadBackExactly) {
  const testing::TemporaryFolder folder;
  std::vector<double> numbers{0.1,
                              1.0 / 3,
                              -0.0,
                              5e-324,
                              std::numeric_limits<double>::max(),
                              1e22,
                              123456789012345680,
                              std::nextafter(1.0, 2.0)};
  std::mt19937_64 random(5);
  while (numbers.size() < 500) {
    const double value = std::bit_cast<double>(random());
    if (std::isfinite(value)) numbers.push_back(value);
  }
  {
    MetricsFile file(folder / "metrics.jsonl");
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      file.append(to_json_line(static_cast<std::int64_t>(i), "g", {{"v", numbers[i]}}, 1));
    }
  }
  const auto series = to_series(read_events(folder / "metrics.jsonl"));
  ASSERT_EQ(series.size(), 1u);
  ASSERT_EQ(series[0].points.size(), numbers.size());
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    EXPECT_EQ(std::bit_cast<std::uint64_t>(series[0].points[i].value), std::bit_cast<std::uint64_t>(numbers[i]));
  }
}

TEST(MetricsFile, DropsATornLineAndGoesOn) {
  const testing::TemporaryFolder folder;
  const auto path = folder / "metrics.jsonl";
  const auto whole = to_json_line(1, "g", {{"v", 1}}, 2.5) + "\n";
  const auto next = to_json_line(2, "g", {{"v", 2}}, 3);
  // Torn at every byte, the last time with only the line end missing.
  for (std::size_t length = 0; length <= next.size(); ++length) {
    write(path, whole + next.substr(0, length));
    ASSERT_EQ(read_events(path).size(), 1u) << length;
    MetricsFile file(path);
    EXPECT_EQ(file.last_seconds(), 2.5);
    file.append(next);
    ASSERT_EQ(read_text(path), whole + next + "\n") << length;
  }
}

TEST(MetricsFile, TruncatesToTheCheckpoint) {
  const testing::TemporaryFolder folder;
  const auto path = folder / "metrics.jsonl";
  std::string expected;
  MetricsFile file(path);
  for (std::int64_t step = 0; step < 10; ++step) {
    const auto line = to_json_line(step, "g", {{"v", 0.1 * static_cast<double>(step)}, {"w", std::nan("")}},
                                   static_cast<double>(step) / 8);
    file.append(line);
    if (step <= 6) expected += line + "\n";
  }
  file.truncate_after(6);
  EXPECT_EQ(read_text(path), expected);
  EXPECT_EQ(file.last_seconds(), 0.75);
  file.append(to_json_line(7, "g", {{"v", 7}}, 1));
  EXPECT_EQ(read_events(path).size(), 8u);
  file.truncate_after(-1);
  EXPECT_EQ(read_text(path), "");
}

TEST(MetricsReader, NamesTheBadLine) {
  const testing::TemporaryFolder folder;
  const auto path = folder / "metrics.jsonl";
  const auto good = to_json_line(1, "g", {{"v", 1}}, 2) + "\n";
  for (const std::string bad :
       {"", "nonsense", "[1]", "{}", R"({"step":"1","group":"g","values":{}})", R"({"step":1,"group":2,"values":{}})",
        R"({"step":1,"group":"g","values":{"v":"many"}})", R"({"step":1,"group":"g","values":[1]})"}) {
    write(path, good + bad + "\n" + good);
    try {
      read_events(path);
      FAIL() << "expected InputError for " << bad;
    } catch (const InputError& error) {
      EXPECT_NE(std::string(error.what()).find("metrics.jsonl:2: "), std::string::npos) << error.what();
    }
  }
  EXPECT_THROW(read_events(folder / "none"), InputError);
}

TEST(MetricsReader, SeparatesGroupsAndNames) {
  const auto series = to_series({{.step = 1, .group = "train", .values = {{"loss", 2}, {"rate", 0.1}}},
                                 {.step = 1, .group = "evaluation", .values = {{"loss", 3}}},
                                 {.step = 2, .group = "train", .values = {{"loss", 1}}}});
  ASSERT_EQ(series.size(), 3u);
  EXPECT_EQ(series[0].tag(), "train/loss");
  EXPECT_EQ(series[0].points, (std::vector<Point>{{1, 2, 0}, {2, 1, 0}}));
  EXPECT_EQ(find_series(series, "evaluation", "loss")->points.size(), 1u);
  EXPECT_EQ(find_series(series, "evaluation", "rate"), nullptr);
}

}  // namespace
}  // namespace drystill::journal
