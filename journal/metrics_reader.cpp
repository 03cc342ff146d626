#include "journal/metrics_reader.h"

#include <algorithm>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>

#include "core/error.h"
#include "journal/text_file.h"

namespace drystill::journal {
namespace {

using Json = nlohmann::ordered_json;

std::optional<double> number(const Json& value) {
  if (value.is_number()) return value.get<double>();
  if (value == "nan") return std::numeric_limits<double>::quiet_NaN();
  if (value == "inf") return std::numeric_limits<double>::infinity();
  if (value == "-inf") return -std::numeric_limits<double>::infinity();
  return std::nullopt;
}

// Nothing where the line is no event.
std::optional<MetricsEvent> parse_event(std::string_view line) {
  const auto json = Json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || !json.contains("step") || !json["step"].is_number_integer() || !json.contains("group") ||
      !json["group"].is_string() || !json.contains("values") || !json["values"].is_object()) {
    return std::nullopt;
  }
  MetricsEvent event{.step = json["step"].get<std::int64_t>(), .group = json["group"].get<std::string>(), .values = {}};
  for (const auto& [name, value] : json["values"].items()) {
    const auto read = number(value);
    if (!read) return std::nullopt;
    event.values.emplace_back(name, *read);
  }
  if (const auto seconds = json.find("seconds"); seconds != json.end() && seconds->is_number()) {
    event.seconds = seconds->get<double>();
  }
  return event;
}

}  // namespace

std::vector<MetricsEvent> read_events(const std::filesystem::path& path) {
  const std::string text = read_text(path);
  std::vector<MetricsEvent> events;
  std::size_t line_number = 0;
  for (std::size_t begin = 0; begin < text.size();) {
    ++line_number;
    const std::size_t end = text.find('\n', begin);
    if (end == std::string::npos) break;  // torn: the writer ends every event with a line end
    const auto line = std::string_view(text).substr(begin, end - begin);
    begin = end + 1;
    auto event = parse_event(line);
    if (!event) {
      throw InputError(path.string() + ":" + std::to_string(line_number) +
                       ": no metrics event: expected {\"schema\":1,\"step\":...,\"group\":...,\"values\":{...}}");
    }
    events.push_back(*std::move(event));
  }
  return events;
}

std::vector<Series> to_series(const std::vector<MetricsEvent>& events) {
  std::vector<Series> all;
  std::map<std::pair<std::string_view, std::string_view>, std::size_t> index;
  for (const auto& event : events) {
    for (const auto& [name, value] : event.values) {
      const auto [found, is_new] = index.try_emplace({event.group, name}, all.size());
      if (is_new) all.push_back({.group = event.group, .name = name, .points = {}});
      all[found->second].points.push_back({event.step, value, event.seconds});
    }
  }
  return all;
}

const Series* find_series(const std::vector<Series>& all, std::string_view group, std::string_view name) {
  const auto found = std::find_if(all.begin(), all.end(),
                                  [&](const Series& series) { return series.group == group && series.name == name; });
  return found == all.end() ? nullptr : &*found;
}

}  // namespace drystill::journal
