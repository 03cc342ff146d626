#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "journal/metrics_file.h"

namespace drystill::journal {

// One number over the steps of a run.
struct Point {
  std::int64_t step = 0;
  double value = 0;
  double seconds = 0;

  bool operator==(const Point&) const = default;
};
struct Series {
  std::string group;  // "eval"
  std::string name;   // "accuracy"
  std::vector<Point> points;

  std::string tag() const { return group + "/" + name; }
};

// Reads metrics.jsonl. A torn last line (the run was killed, or is writing right now) is left out; any other line that
// is no event throws InputError with file and line. A missing file throws InputError.
std::vector<MetricsEvent> read_events(const std::filesystem::path& path);

// One series a group and name, in order of first appearance.
std::vector<Series> to_series(const std::vector<MetricsEvent>& events);

// The series of that group and name, or null.
const Series* find_series(const std::vector<Series>& all, std::string_view group, std::string_view name);

}  // namespace drystill::journal
