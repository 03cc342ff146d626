#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string_view>

#include "journal/journal.h"

namespace drystill::journal {

// Log lines with time and level: all of them to a file, those from `console_level` up to `console` too.
class LogFile {
 public:
  // Appends to the file. `console` gets whole lines without a line end. Throws RunError.
  LogFile(const std::filesystem::path& path, Level console_level, std::function<void(std::string_view)> console);
  ~LogFile();
  LogFile(const LogFile&) = delete;
  LogFile& operator=(const LogFile&) = delete;

  // Line ends inside `line` become spaces: one call is one line.
  void write(Level level, std::string_view line);

 private:
  struct Logger;
  std::unique_ptr<Logger> logger_;
};

}  // namespace drystill::journal
