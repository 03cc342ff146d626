#include "journal/config_text.h"

#include <algorithm>
#include <map>

namespace drystill::journal {
namespace {

struct Level {
  std::size_t indent;
  std::string key;  // "student", or "[2]" inside a list
  int items = 0;    // list entries seen under this key
};

std::string_view trimmed(std::string_view text) {
  const auto begin = text.find_first_not_of(" \t\r");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r") - begin + 1);
}

// Without a comment: " #" outside quotes.
std::string_view without_comment(std::string_view text) {
  char quote = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (quote != 0) {
      if (text[i] == quote) quote = 0;
    } else if (text[i] == '"' || text[i] == '\'') {
      quote = text[i];
    } else if (text[i] == '#' && (i == 0 || text[i - 1] == ' ')) {
      return text.substr(0, i);
    }
  }
  return text;
}

std::string path_of(const std::vector<Level>& levels) {
  std::string path;
  for (const auto& level : levels) {
    if (!path.empty() && !level.key.starts_with('[')) path += '.';
    path += level.key;
  }
  return path;
}

// Where "key: value" divides; npos where the text is no mapping entry.
std::size_t colon_of(std::string_view text) {
  if (text.empty() || text.front() == '"' || text.front() == '\'' || text.front() == '[' || text.front() == '{') {
    return std::string_view::npos;
  }
  if (text.back() == ':' && text.find(": ") == std::string_view::npos) return text.size() - 1;
  return text.find(": ");
}

}  // namespace

std::vector<std::pair<std::string, std::string>> flatten_config(std::string_view yaml) {
  std::vector<std::pair<std::string, std::string>> flat;
  std::vector<Level> levels;
  int top_items = 0;
  while (!yaml.empty()) {
    const auto end = yaml.find('\n');
    const auto line = without_comment(yaml.substr(0, end));
    yaml.remove_prefix(end == std::string_view::npos ? yaml.size() : end + 1);
    std::string_view text = trimmed(line);
    if (text.empty()) continue;
    std::size_t indent = line.find_first_not_of(' ');

    // "- key: value": the entry opens a level of its own, and its keys stand two columns further right. A list may
    // stand at the column of its own key.
    while (text == "-" || text.starts_with("- ")) {
      while (!levels.empty() && (levels.back().indent > indent ||
                                 (levels.back().indent == indent && levels.back().key.starts_with('[')))) {
        levels.pop_back();
      }
      int& items = levels.empty() ? top_items : levels.back().items;
      levels.push_back({.indent = indent, .key = "[" + std::to_string(items++) + "]"});
      text = trimmed(text.substr(1));
      indent += 2;
    }
    const bool in_item = !levels.empty() && levels.back().key.starts_with('[') && levels.back().indent + 2 == indent;
    if (!in_item) {
      while (!levels.empty() && levels.back().indent >= indent) levels.pop_back();
    }
    const auto colon = colon_of(text);
    if (colon == std::string_view::npos) {
      if (!text.empty()) flat.emplace_back(path_of(levels), text);
      continue;
    }
    levels.push_back({.indent = indent, .key = std::string(trimmed(text.substr(0, colon)))});
    const auto value = trimmed(text.substr(colon + 1));
    if (!value.empty()) flat.emplace_back(path_of(levels), value);
  }
  return flat;
}

std::vector<ConfigDifference> config_differences(const std::vector<std::string>& configs) {
  std::vector<std::string> order;
  std::map<std::string, std::vector<std::string>> values;
  for (std::size_t i = 0; i < configs.size(); ++i) {
    for (const auto& [key, value] : flatten_config(configs[i])) {
      const auto [found, is_new] = values.try_emplace(key, configs.size());
      if (is_new) order.push_back(key);
      found->second[i] = value;
    }
  }
  std::vector<ConfigDifference> differences;
  for (const auto& key : order) {
    const auto& row = values[key];
    if (std::adjacent_find(row.begin(), row.end(), std::not_equal_to<>()) != row.end()) {
      differences.push_back({key, row});
    }
  }
  return differences;
}

}  // namespace drystill::journal
