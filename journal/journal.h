#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "journal/run_folder.h"

namespace drystill {
class Progress;
}

namespace drystill::journal {

// Named numbers of one event, in the order they shall stand in the file.
using Values = std::vector<std::pair<std::string, double>>;

enum class Level { kDebug, kInfo, kWarning, kError };
constexpr auto enum_names(Level) {
  return std::to_array<std::string_view>({"debug", "info", "warning", "error"});
}

struct JournalOptions {
  bool tensorboard = true;
  Level console_level = Level::kInfo;  // log lines below it go to log.txt only
  Progress* progress = nullptr;        // prints the console's lines, so that they do not tear its bar; must outlive
  std::function<double()> clock;       // monotonic seconds; empty: the steady clock
};

// Writes down what happens in a run, into its folder:
//
//   metrics.jsonl             one event a line, flushed (journal/metrics_file.h says how)
//   events.out.tfevents.*     the same for TensorBoard, tag "<group>/<name>", and the sample images
//   log.txt                   every log line
//   samples/<name>_<step>.png
//
// Opening a folder that holds metrics continues them. Everything in metrics.jsonl but the field `seconds` is a function
// of the arguments of `record`, so that two equal runs can be compared byte by byte. Not thread-safe.
// Throws RunError where something cannot be written.
class Journal {
 public:
  explicit Journal(const RunFolder& folder, const JournalOptions& options = {});
  ~Journal();
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  // One event: `group` is who measured ("train", "evaluation", "generator"). NaN and infinities are kept.
  void record(std::int64_t step, std::string_view group, const Values& values);

  // A picture made during the run: `png` is the file's bytes. `name` is one path component of letters, digits, - and _.
  void sample_image(std::int64_t step, std::string_view name, std::string_view png);

  void log(Level level, std::string_view line);
  void info(std::string_view line) { log(Level::kInfo, line); }
  void warning(std::string_view line) { log(Level::kWarning, line); }

  // Before a resumed run goes on from a checkpoint of `step`: forgets every event of a later step, so that the run's
  // metrics end up equal to those of an uninterrupted one. -1 forgets everything.
  void truncate_after(std::int64_t step);

  // Makes the events up to now durable, before a checkpoint that a run would go on from behind them.
  void sync();

  // Wall-clock seconds of this run up to now, those before a resume included.
  double seconds() const;

 private:
  struct Sinks;
  std::unique_ptr<Sinks> sinks_;
};

}  // namespace drystill::journal
