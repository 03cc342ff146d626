#include "journal/log_file.h"

#include <spdlog/logger.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/sinks/basic_file_sink.h>

#include <algorithm>
#include <mutex>
#include <string>

#include "core/error.h"

namespace drystill::journal {
namespace {

spdlog::level::level_enum to_spdlog(Level level) {
  switch (level) {
    case Level::kDebug:
      return spdlog::level::debug;
    case Level::kInfo:
      return spdlog::level::info;
    case Level::kWarning:
      return spdlog::level::warn;
    case Level::kError:
      return spdlog::level::err;
  }
  return spdlog::level::info;
}

class ConsoleSink : public spdlog::sinks::base_sink<std::mutex> {
 public:
  explicit ConsoleSink(std::function<void(std::string_view)> print) : print_(std::move(print)) {}

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    spdlog::memory_buf_t text;
    formatter_->format(message, text);
    print_({text.data(), text.size()});
  }
  void flush_() override {}

 private:
  std::function<void(std::string_view)> print_;
};

}  // namespace

// A logger of its own, never in spdlog's global registry: two journals in one process must not meet.
struct LogFile::Logger {
  spdlog::logger log{"drystill"};
};

LogFile::LogFile(const std::filesystem::path& path, Level console_level, std::function<void(std::string_view)> console)
    : logger_(std::make_unique<Logger>()) {
  try {
    auto file = std::make_shared<spdlog::sinks::basic_file_sink_mt>(path.string());
    file->set_formatter(
        std::make_unique<spdlog::pattern_formatter>("%Y-%m-%dT%H:%M:%S.%eZ %-7l %v", spdlog::pattern_time_type::utc));
    logger_->log.sinks().push_back(std::move(file));
  } catch (const spdlog::spdlog_ex& error) {
    throw RunError("cannot write " + path.string() + ": " + error.what());
  }
  auto to_console = std::make_shared<ConsoleSink>(std::move(console));
  to_console->set_level(to_spdlog(console_level));
  to_console->set_formatter(
      std::make_unique<spdlog::pattern_formatter>("%l: %v", spdlog::pattern_time_type::local, ""));
  logger_->log.sinks().push_back(std::move(to_console));
  logger_->log.set_level(spdlog::level::debug);
  logger_->log.flush_on(spdlog::level::debug);
  // A log line that cannot be written must not end a run: what matters is in the metrics, whose errors are thrown.
  logger_->log.set_error_handler([](const std::string&) {});
}

LogFile::~LogFile() = default;

void LogFile::write(Level level, std::string_view line) {
  std::string whole(line);
  std::replace(whole.begin(), whole.end(), '\n', ' ');
  // The overload that takes no format string: braces in the line are text.
  logger_->log.log(to_spdlog(level), whole);
}

}  // namespace drystill::journal
