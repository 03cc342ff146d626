#include "journal/run_record.h"

#include <algorithm>
#include <charconv>
#include <sstream>
#include <tuple>

#include "core/error.h"
#include "core/fields.h"
#include "journal/config_text.h"
#include "journal/environment.h"
#include "journal/text_file.h"

namespace drystill::journal {
namespace {

namespace fs = std::filesystem;

std::string read_if_there(const fs::path& path) {
  return fs::is_regular_file(path) ? read_text(path, 1 << 24) : "";
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) {
    if (!line.empty()) lines.push_back(line);
  }
  return lines;
}

std::optional<SamplePicture> as_sample(const fs::path& path) {
  const std::string stem = path.stem().string();
  const auto underscore = stem.rfind('_');
  if (path.extension() != ".png" || underscore == std::string::npos || underscore == 0) return std::nullopt;
  SamplePicture picture{.name = stem.substr(0, underscore), .path = path};
  const char* end = stem.data() + stem.size();
  const auto parsed = std::from_chars(stem.data() + underscore + 1, end, picture.step);
  if (parsed.ec != std::errc() || parsed.ptr != end) return std::nullopt;
  return picture;
}

}  // namespace

RunRecord load_run(const fs::path& folder) {
  if (!is_run_folder(folder)) throw InputError("no run in " + folder.string() + ": it has no config.yaml");
  // "." and "runs/a/" have names too.
  const fs::path whole = fs::weakly_canonical(folder);
  RunRecord run;
  run.name = whole.filename().string();
  run.config = read_if_there(folder / "config.yaml");
  run.commands = lines_of(read_if_there(folder / "command.txt"));
  if (fs::exists(folder / "environment.json")) run.environment = read_environment(folder / "environment.json");
  run.status = read_status(folder);
  run.in_use = is_in_use(folder);
  if (fs::exists(folder / "metrics.jsonl")) run.series = to_series(read_events(folder / "metrics.jsonl"));
  if (fs::is_directory(folder / "samples")) {
    for (const auto& entry : fs::directory_iterator(folder / "samples")) {
      if (auto picture = as_sample(entry.path())) run.samples.push_back(*std::move(picture));
    }
  }
  std::sort(run.samples.begin(), run.samples.end(), [](const SamplePicture& a, const SamplePicture& b) {
    return std::tie(a.name, a.step) < std::tie(b.name, b.step);
  });
  return run;
}

std::string RunRecord::state() const {
  if (!status) return "unknown";
  if (status->state == RunState::kRunning && !in_use) return "killed";
  return std::string(enum_name(status->state));
}

std::string RunRecord::seed() const {
  for (const auto& [key, value] : flatten_config(config)) {
    if (key == "seed" || key == "run.seed") return value;
  }
  return "";
}

double RunRecord::seconds() const {
  double latest = 0;
  for (const auto& one : series) latest = std::max(latest, one.points.back().seconds);
  return latest;
}

std::int64_t RunRecord::steps() const {
  std::int64_t latest = status ? status->step : 0;
  for (const auto& one : series) latest = std::max(latest, one.points.back().step);
  return latest;
}

}  // namespace drystill::journal
