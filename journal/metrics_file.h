#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace drystill::journal {

// One line of metrics.jsonl:
//
//   {"schema":1,"step":100,"group":"eval","values":{"accuracy":0.8612,"loss":"nan"},"seconds":41.7}
//
// Numbers are the shortest text that reads back as the same double. JSON has no NaN and no infinities: they stand as
// the strings "nan", "inf" and "-inf". `seconds` comes last: cut there, the lines of two equal runs are equal.
struct MetricsEvent {
  std::int64_t step = 0;
  std::string group;
  std::vector<std::pair<std::string, double>> values;
  double seconds = 0;  // wall clock since the run began

  bool operator==(const MetricsEvent&) const = default;
};

// Without the line end.
std::string to_json_line(std::int64_t step, std::string_view group,
                         const std::vector<std::pair<std::string, double>>& values, double seconds);

// Appends to a metrics file, one write a line, so that a killed process leaves at most one torn line, the last.
class MetricsFile {
 public:
  // Opens or makes the file; a torn last line is cut off. Throws RunError.
  explicit MetricsFile(std::filesystem::path path);
  ~MetricsFile();
  MetricsFile(const MetricsFile&) = delete;
  MetricsFile& operator=(const MetricsFile&) = delete;

  void append(std::string_view line);
  // Makes the lines up to now durable.
  void sync();
  // Keeps the events with a step up to `step`. The file is replaced as a whole.
  void truncate_after(std::int64_t step);
  // `seconds` of the last event; 0 where there is none.
  double last_seconds() const { return last_seconds_; }

 private:
  void open();

  std::filesystem::path path_;
  int file_ = -1;
  double last_seconds_ = 0;
};

}  // namespace drystill::journal
