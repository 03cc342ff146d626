#include "configs/diagnostics.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "core/error.h"

namespace drystill::configs {
namespace {

constexpr std::size_t kMaxLines = 50;  // a hostile file must not make a message of megabytes
constexpr std::string_view kCommandLine = "--set #";
constexpr std::size_t kMaxHintedBytes = 64;  // edit distance is quadratic, and no option name is longer

}  // namespace

std::string Origin::text() const {
  if (source == nullptr) return "default";
  if (line == 0) return *source;
  return *source + ":" + std::to_string(line) + ":" + std::to_string(column);
}

void Diagnostics::report(const Origin& origin, const std::string& message) {
  ++count_;
  if (errors_.size() < kMaxLines) errors_.push_back({origin, origin.text() + ": " + message});
}

std::vector<std::string> Diagnostics::lines() const {
  // Files in the order in which they were first complained of, and the command line, whose sources are numbered.
  std::vector<std::string_view> files;
  const auto place_of = [&](const Error& error) {
    const std::string_view source = error.origin.source == nullptr ? std::string_view() : *error.origin.source;
    const std::string_view file = source.starts_with(kCommandLine) ? kCommandLine : source;
    const auto found = std::ranges::find(files, file);
    const auto rank = found - files.begin();
    if (found == files.end()) files.push_back(file);
    return std::tuple(rank, source.size(), source, error.origin.line, error.origin.column);  // "#10" behind "#9"
  };
  std::vector<std::pair<decltype(place_of(errors_.front())), const std::string*>> sorted;
  sorted.reserve(errors_.size());
  for (const Error& error : errors_) sorted.emplace_back(place_of(error), &error.line);
  std::ranges::stable_sort(sorted, {}, [](const auto& each) { return each.first; });
  std::vector<std::string> lines;
  lines.reserve(sorted.size());
  for (const auto& [place, line] : sorted) {
    if (lines.empty() || lines.back() != *line) lines.push_back(*line);
  }
  return lines;
}

void Diagnostics::throw_if_any() const {
  if (count_ == 0) return;
  std::string joined;
  for (const auto& line : lines()) {
    if (!joined.empty()) joined += '\n';
    joined += line;
  }
  if (count_ > errors_.size()) joined += "\n... and " + std::to_string(count_ - errors_.size()) + " more errors";
  throw ConfigError(joined);
}

std::string shortened(std::string_view text, std::size_t limit) {
  std::string out;
  for (const char c : text) {
    if (out.size() >= limit && (static_cast<unsigned char>(c) & 0xC0U) != 0x80U)
      return out + "...";  // between characters
    if (c == '\n') {
      out += "\\n";
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
      out += '?';
    } else {
      out += c;
    }
  }
  return out;
}

std::string in_quotes(std::string_view text) {
  return "'" + shortened(text) + "'";
}

std::string listed(const std::vector<std::string>& names, std::size_t limit) {
  std::string out;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (i > 0) out += ", ";
    if (i == limit) return out + "...";
    out += names[i].empty() ? "'' (empty)" : names[i];
  }
  return out;
}

std::string hint_for(const std::string& name, const std::vector<std::string>& candidates) {
  const std::string nearest = name.size() <= kMaxHintedBytes ? nearest_name(name, candidates) : "";
  if (!nearest.empty()) return " (did you mean '" + nearest + "'?)";
  if (candidates.empty()) return "";
  return " (known: " + listed(candidates) + ")";
}

}  // namespace drystill::configs
