#include "journal/metrics_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "io/atomic_file.h"
#include "journal/metrics_reader.h"
#include "journal/text_file.h"

namespace drystill::journal {
namespace {

constexpr int kSchema = 1;

// Quoted and escaped; bytes that are no UTF-8 become U+FFFD rather than an exception in the middle of a run.
std::string json_string(std::string_view text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string number(double value) {
  if (std::isnan(value)) return "\"nan\"";
  if (std::isinf(value)) return value > 0 ? "\"inf\"" : "\"-inf\"";
  if (value == 0 && std::signbit(value)) return "-0.0";  // "-0" would read back as the integer 0
  std::array<char, 32> buffer;
  const auto result = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value);  // shortest that reads back
  return {buffer.data(), result.ptr};
}

}  // namespace

std::string to_json_line(std::int64_t step, std::string_view group,
                         const std::vector<std::pair<std::string, double>>& values, double seconds) {
  std::string line = "{\"schema\":" + std::to_string(kSchema) + ",\"step\":" + std::to_string(step) +
                     ",\"group\":" + json_string(group) + ",\"values\":{";
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (i > 0) line += ',';
    line += json_string(values[i].first);
    line += ':';
    line += number(values[i].second);
  }
  // A millisecond is what a reader can use; more digits only fill the disk.
  return line + "},\"seconds\":" + number(std::round(seconds * 1000) / 1000) + "}";
}

MetricsFile::MetricsFile(std::filesystem::path path) : path_(std::move(path)) {
  if (std::filesystem::exists(path_)) {
    std::string text = read_text(path_);
    const auto end = text.rfind('\n');
    const std::size_t whole = end == std::string::npos ? 0 : end + 1;
    if (whole != text.size() && ::truncate(path_.c_str(), static_cast<off_t>(whole)) != 0) {
      throw_errno("write", path_, errno);
    }
    const auto events = read_events(path_);
    if (!events.empty()) last_seconds_ = events.back().seconds;
  }
  open();
}

MetricsFile::~MetricsFile() {
  if (file_ >= 0) ::close(file_);
}

void MetricsFile::open() {
  file_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (file_ < 0) throw_errno("write", path_, errno);
}

void MetricsFile::sync() {
  if (::fdatasync(file_) != 0) throw_errno("write", path_, errno);
}

void MetricsFile::append(std::string_view line) {
  std::string whole(line);
  whole += '\n';
  write_all(file_, whole, path_);
}

void MetricsFile::truncate_after(std::int64_t step) {
  std::string kept;
  last_seconds_ = 0;
  for (const auto& event : read_events(path_)) {
    if (event.step > step) continue;
    kept += to_json_line(event.step, event.group, event.values, event.seconds) + "\n";
    last_seconds_ = event.seconds;
  }
  ::close(file_);
  file_ = -1;
  io::write_file(path_, kept);
  open();
}

}  // namespace drystill::journal
