#include "core/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <limits>
#include <optional>
#include <string>
#include <utility>

namespace drystill {
namespace {

constexpr std::string_view kEraseLine = "\r\x1b[K";

std::string format(const char* pattern, double value) {
  char buffer[64];
  std::snprintf(buffer, sizeof buffer, pattern, value);
  return buffer;
}

// What both forms show.
struct Snapshot {
  std::int64_t step = 0;
  std::int64_t total = 0;  // 0: unknown
  double elapsed = 0;      // seconds since start
  double rate = 0;         // steps a second since start
  std::string fields;      // "loss 0.31  acc 0.86"

  double share() const {
    return total > 0 ? std::clamp(static_cast<double>(step) / static_cast<double>(total), 0.0, 1.0) : 0.0;
  }
  std::string counts() const {
    return total > 0 ? std::to_string(step) + "/" + std::to_string(total) : "step " + std::to_string(step);
  }
  std::string speed() const {
    if (rate <= 0) return "";
    return rate >= 1 ? format("%.1f it/s", rate) : format("%.2f s/it", 1 / rate);
  }
  std::string eta() const {
    if (total <= 0 || rate <= 0) return "";
    return "ETA " + format_duration(static_cast<double>(total - step) / rate);
  }
};

std::string join(std::initializer_list<std::string> parts) {
  std::string text;
  for (const auto& part : parts) {
    if (!part.empty()) text += (text.empty() ? "" : "  ") + part;
  }
  return text;
}

class Reporter : public Progress {
 public:
  Reporter(const ProgressStyle& style, std::ostream& stream, std::function<double()> clock)
      : style_(style), stream_(stream), clock_(std::move(clock)) {}

  // An exception passes: what is printed next must not stand behind the bar.
  ~Reporter() override {
    const bool is_drawn = running_ && shown_step_ >= 0;
    if (is_drawn && style_.terminal && !style_.quiet) stream_ << '\n' << std::flush;
  }
  Reporter(const Reporter&) = delete;
  Reporter& operator=(const Reporter&) = delete;

  void start(std::int64_t total, std::int64_t done) override {
    running_ = true;
    now_ = {.step = done, .total = total, .fields = {}};
    first_step_ = done;
    shown_step_ = -1;
    counted_from_.reset();
    started_ = clock_();
    // The bar appears at once; the first plain line only after its interval, as there is nothing to tell yet.
    shown_at_ = style_.terminal ? -std::numeric_limits<double>::infinity() : started_;
  }

  void update(std::int64_t step, const ProgressFields& fields) override {
    if (!running_) return;
    now_.step = step;
    const double time = clock_();
    // The fields are views: they must be kept as text for `finish`, which costs little beside a training step.
    now_.fields.clear();
    for (const auto& [name, value] : fields) {
      now_.fields += (now_.fields.empty() ? "" : "  ") + std::string(name) + " " + format("%.4g", value);
    }
    measure(time);
    const double interval = style_.terminal ? style_.redraw_seconds : style_.line_seconds;
    if (time - shown_at_ >= interval) show(time);
  }

  void finish() override {
    if (!running_) return;
    const double time = clock_();
    measure(time);
    if (style_.terminal || shown_step_ != now_.step) show(time);
    if (style_.terminal && !style_.quiet) stream_ << '\n' << std::flush;
    running_ = false;
  }

  void message(std::string_view line) override {
    const bool over_bar = running_ && style_.terminal && !style_.quiet;
    if (over_bar) stream_ << kEraseLine;
    stream_ << line << '\n' << std::flush;
    if (over_bar) show(clock_());
  }

 private:
  // The rate is that since the first update: what came before, a generator's warm-up say, comes only once.
  void measure(double time) {
    now_.elapsed = time - started_;
    if (now_.step > first_step_ && !counted_from_) counted_from_ = {now_.step, time};
    const bool later = counted_from_ && now_.step > counted_from_->first && time > counted_from_->second;
    const auto [step, begin] = later ? *counted_from_ : std::pair(first_step_, started_);
    now_.rate = time > begin ? static_cast<double>(now_.step - step) / (time - begin) : 0;
  }

  void show(double time) {
    shown_at_ = time;
    shown_step_ = now_.step;
    if (style_.quiet) return;
    if (style_.terminal) {
      stream_ << kEraseLine << bar_line() << std::flush;
    } else {
      const std::string percent = now_.total > 0 ? format("(%.0f%%)", 100 * now_.share()) : "";
      stream_ << join({now_.counts() + (percent.empty() ? "" : " " + percent),
                       "elapsed " + format_duration(now_.elapsed), now_.eta(), now_.speed(), now_.fields})
              << '\n'
              << std::flush;
    }
  }

  std::string bar_line() const {
    std::string after = join({now_.counts(), now_.eta(), now_.speed(), now_.fields});
    // The last column stays free: writing into it makes some terminals wrap, and a wrapped bar cannot be erased.
    const std::size_t room = static_cast<std::size_t>(std::max(style_.width - 1, 1));
    if (now_.total <= 0) return after.substr(0, room);

    const std::string percent = format("%3.0f%% ", 100 * now_.share());
    constexpr std::size_t kLongestBar = 30;
    const std::size_t used = percent.size() + after.size() + 3;  // two brackets and a space
    const std::size_t cells = used < room ? std::min(kLongestBar, room - used) : 0;
    if (cells < 5) return (percent + after).substr(0, room);

    const auto full = static_cast<std::size_t>(now_.share() * static_cast<double>(cells));
    const std::string filled(full, '=');
    const std::string empty(cells - full, '-');
    if (style_.colour) return percent + "[\x1b[32m" + filled + "\x1b[0m" + empty + "] " + after;
    return percent + "[" + filled + empty + "] " + after;
  }

  ProgressStyle style_;
  std::ostream& stream_;
  std::function<double()> clock_;
  bool running_ = false;
  Snapshot now_;
  std::int64_t first_step_ = 0;
  std::optional<std::pair<std::int64_t, double>> counted_from_;  // step and time of the first update
  std::int64_t shown_step_ = -1;
  double started_ = 0;
  double shown_at_ = 0;
};

bool set_and_not_empty(const char* variable) {
  const char* value = std::getenv(variable);
  return value != nullptr && *value != '\0';
}

}  // namespace

std::string format_duration(double seconds) {
  if (!std::isfinite(seconds) || seconds < 0) return "?";
  if (seconds > 1e9) return ">30y";
  const auto whole = static_cast<long long>(std::llround(seconds));
  char buffer[64];
  if (whole < 60) {
    std::snprintf(buffer, sizeof buffer, "%llds", whole);
  } else if (whole < 3600) {
    std::snprintf(buffer, sizeof buffer, "%lldm%02llds", whole / 60, whole % 60);
  } else if (whole < 86400) {
    std::snprintf(buffer, sizeof buffer, "%lldh%02lldm", whole / 3600, whole % 3600 / 60);
  } else {
    std::snprintf(buffer, sizeof buffer, "%lldd%02lldh", whole / 86400, whole % 86400 / 3600);
  }
  return buffer;
}

ProgressStyle style_for_stderr(bool quiet) {
  ProgressStyle style;
  style.quiet = quiet;
  const char* term = std::getenv("TERM");
  const bool dumb = term == nullptr || std::string_view(term) == "dumb";
  style.terminal = isatty(STDERR_FILENO) == 1 && !dumb;
  style.colour = style.terminal && !set_and_not_empty("NO_COLOR");  // no-color.org: set and not empty
  winsize size = {};
  if (style.terminal && ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) style.width = size.ws_col;
  return style;
}

std::unique_ptr<Progress> make_progress(const ProgressStyle& style, std::ostream& stream,
                                        std::function<double()> clock) {
  return std::make_unique<Reporter>(style, stream, std::move(clock));
}

std::unique_ptr<Progress> make_stderr_progress(bool quiet) {
  const auto seconds = [] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
  };
  return make_progress(style_for_stderr(quiet), std::cerr, seconds);
}

}  // namespace drystill
