#include "apps/console.h"

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

namespace drystill::apps {

void Console::result(const std::vector<std::pair<std::string, std::string>>& fields) const {
  if (json) {
    nlohmann::ordered_json object;
    for (const auto& [name, value] : fields) {
      // A number stays a number: readers of JSON should not have to parse text.
      const auto parsed = nlohmann::ordered_json::parse(value, nullptr, /*allow_exceptions=*/false);
      object[name] = parsed.is_number() || parsed.is_boolean() ? parsed : nlohmann::ordered_json(value);
    }
    print(object.dump(2));
    return;
  }
  std::size_t width = 0;
  for (const auto& [name, value] : fields) width = std::max(width, name.size());
  std::string text;
  for (const auto& [name, value] : fields) {
    text += name + std::string(width - name.size() + 2, ' ') + value + "\n";
  }
  if (!text.empty()) text.pop_back();
  print(text);
}

void Console::print(std::string_view text) const {
  std::fwrite(text.data(), 1, text.size(), stdout);
  if (!text.ends_with('\n')) std::fputc('\n', stdout);
  std::fflush(stdout);
}

std::string shell_quoted(const std::string& text) {
  const bool plain = !text.empty() && std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return std::isalnum(c) || std::string_view("_-./=:,+@%").find(static_cast<char>(c)) != std::string_view::npos;
  });
  if (plain) return text;
  std::string quoted = "'";
  for (const char c : text) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

}  // namespace drystill::apps
