#include "journal/journal.h"

#include <algorithm>
#include <cctype>
#include <chrono>
#include <iostream>
#include <memory>
#include <optional>

#include "core/error.h"
#include "core/progress.h"
#include "io/atomic_file.h"
#include "journal/event_file.h"
#include "journal/log_file.h"
#include "journal/metrics_file.h"
#include "journal/text_file.h"

namespace drystill::journal {
namespace {

double steady_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// TensorBoard shows events by calendar time.
double unix_seconds() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

std::function<void(std::string_view)> console_of(Progress* progress) {
  if (progress != nullptr) return [progress](std::string_view line) { progress->message(line); };
  return [](std::string_view line) { std::cerr << line << '\n' << std::flush; };
}

}  // namespace

struct Journal::Sinks {
  Sinks(const RunFolder& run, const JournalOptions& options)
      : clock(options.clock ? options.clock : steady_seconds),
        folder(run.path()),
        samples(run.samples()),
        metrics(run.metrics()),
        log(run.log(), options.console_level, console_of(options.progress)),
        with_tensorboard(options.tensorboard),
        opened(clock()),
        seconds_before(metrics.last_seconds()) {}

  // Made at the first event: a resume first says from which step on earlier files are void.
  EventFile* tensorboard() {
    if (with_tensorboard && !events) events = std::make_unique<EventFile>(folder, unix_seconds(), forget_from);
    return events.get();
  }

  std::function<double()> clock;
  std::filesystem::path folder;
  std::filesystem::path samples;
  MetricsFile metrics;
  LogFile log;
  bool with_tensorboard;
  std::optional<std::int64_t> forget_from;
  std::unique_ptr<EventFile> events;
  double opened;
  double seconds_before;  // what the run took before this process
};

Journal::Journal(const RunFolder& folder, const JournalOptions& options)
    : sinks_(std::make_unique<Sinks>(folder, options)) {}

Journal::~Journal() = default;

double Journal::seconds() const {
  return sinks_->seconds_before + (sinks_->clock() - sinks_->opened);
}

void Journal::record(std::int64_t step, std::string_view group, const Values& values) {
  sinks_->metrics.append(to_json_line(step, group, values, seconds()));
  EventFile* events = sinks_->tensorboard();
  if (events == nullptr) return;
  for (const auto& [name, value] : values) {
    events->scalar(step, std::string(group) + "/" + name, value, unix_seconds());
  }
}

void Journal::sample_image(std::int64_t step, std::string_view name, std::string_view png) {
  const bool plain = !name.empty() && std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '-' || c == '_';
  });
  if (!plain) {
    throw ConfigError("[journal.sample_image] expected a name of letters, digits, - and _, got '" + std::string(name) +
                      "'");
  }
  io::write_file(sinks_->samples / (std::string(name) + "_" + std::to_string(step) + ".png"), png);
  if (EventFile* events = sinks_->tensorboard())
    events->image(step, "samples/" + std::string(name), png, unix_seconds());
}

void Journal::log(Level level, std::string_view line) {
  sinks_->log.write(level, line);
}

void Journal::sync() {
  sinks_->metrics.sync();
}

void Journal::truncate_after(std::int64_t step) {
  sinks_->metrics.truncate_after(step);
  sinks_->seconds_before = sinks_->metrics.last_seconds();
  sinks_->opened = sinks_->clock();
  sinks_->events.reset();
  sinks_->forget_from = step + 1;
}

}  // namespace drystill::journal
