#include "journal/journal.h"

#include <algorithm>
#include <cctype>
#include <chrono>
#include <iostream>
#include <memory>

#include "core/error.h"
#include "core/progress.h"
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
  Sinks(const RunFolder& folder, const JournalOptions& options)
      : clock(options.clock ? options.clock : steady_seconds),
        folder(folder.path()),
        samples(folder.samples()),
        metrics(folder.metrics()),
        tensorboard(options.tensorboard ? std::make_unique<EventFile>(this->folder, unix_seconds()) : nullptr),
        log(folder.log(), options.console_level, console_of(options.progress)),
        opened(clock()),
        seconds_before(metrics.last_seconds()) {}

  std::function<double()> clock;
  std::filesystem::path folder;
  std::filesystem::path samples;
  MetricsFile metrics;
  std::unique_ptr<EventFile> tensorboard;  // null where it is switched off
  LogFile log;
  double opened;
  double seconds_before;  // what the run took before this process
};

Journal::Journal(const RunFolder& folder, JournalOptions options) : sinks_(std::make_unique<Sinks>(folder, options)) {}

Journal::~Journal() = default;

double Journal::seconds() const {
  return sinks_->seconds_before + (sinks_->clock() - sinks_->opened);
}

void Journal::record(std::int64_t step, std::string_view group, const Values& values) {
  sinks_->metrics.append(to_json_line(step, group, values, seconds()));
  if (!sinks_->tensorboard) return;
  for (const auto& [name, value] : values) {
    sinks_->tensorboard->scalar(step, std::string(group) + "/" + name, value, unix_seconds());
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
  replace_text(sinks_->samples / (std::string(name) + "_" + std::to_string(step) + ".png"), png);
  if (sinks_->tensorboard) sinks_->tensorboard->image(step, "samples/" + std::string(name), png, unix_seconds());
}

void Journal::log(Level level, std::string_view line) {
  sinks_->log.write(level, line);
}

void Journal::truncate_after(std::int64_t step) {
  sinks_->metrics.truncate_after(step);
  sinks_->seconds_before = sinks_->metrics.last_seconds();
  sinks_->opened = sinks_->clock();
  if (sinks_->tensorboard) {
    sinks_->tensorboard = std::make_unique<EventFile>(sinks_->folder, unix_seconds(), /*first_step=*/step + 1);
  }
}

}  // namespace drystill::journal
