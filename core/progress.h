#pragma once

#include <cstdint>
#include <functional>
#include <iosfwd>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace drystill {

// Short names and values shown beside the bar, e.g. {{"loss", 0.31}, {"acc", 0.86}}.
using ProgressFields = std::vector<std::pair<std::string_view, double>>;

// How far a long task is. One bar on a terminal; on a pipe or in a log file one plain line now and then, because a bar
// floods logs and silence looks like a hang. Not thread-safe: the thread that works reports.
class Progress {
 public:
  virtual ~Progress() = default;

  // Begins a task of `total` steps (0: unknown) of which `done` were made earlier, by a run that is now resumed.
  // Earlier steps count towards the share done, not towards the speed.
  virtual void start(std::int64_t total, std::int64_t done = 0) = 0;
  // `step` steps are done. Cheap: most calls only look at the clock.
  virtual void update(std::int64_t step, const ProgressFields& fields) = 0;
  // Shows the last state once more and ends the line. Harmless when nothing was started.
  virtual void finish() = 0;
  // Prints a whole line (a log message) without tearing the bar.
  virtual void message(std::string_view line) = 0;
};

struct ProgressStyle {
  bool quiet = false;           // no progress at all; messages still pass
  bool terminal = false;        // redraw one line in place
  bool colour = false;          // only with `terminal`
  int width = 100;              // columns of the terminal
  double redraw_seconds = 0.1;  // between redraws of the bar
  double line_seconds = 30;     // between plain lines
};

// What suits standard error: a bar where it is a terminal and TERM is not "dumb", colour where NO_COLOR is unset too.
ProgressStyle style_for_stderr(bool quiet);

// `clock` returns monotonic seconds. The stream and the clock must outlive the result.
std::unique_ptr<Progress> make_progress(const ProgressStyle& style, std::ostream& stream,
                                        std::function<double()> clock);

// On standard error, in the style that suits it. Results go to standard output, so the two never mix.
std::unique_ptr<Progress> make_stderr_progress(bool quiet = false);

// "42s", "3m07s", "2h05m", "3d04h"; "?" for a negative or non-finite number.
std::string format_duration(double seconds);

}  // namespace drystill
