#include "apps/console.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <system_error>

#include "core/error.h"
#include "io/quote.h"

namespace drystill::apps {
namespace {

using Json = nlohmann::ordered_json;

std::string text_of(const Value& value) {
  if (const auto* text = std::get_if<std::string>(&value)) return *text;
  if (const auto* whole = std::get_if<std::int64_t>(&value)) return std::to_string(*whole);
  const auto& number = std::get<Decimal>(value);
  return fmt::format("{:.{}f}", number.value, number.places);
}

Json json_of(const Value& value) {
  if (const auto* text = std::get_if<std::string>(&value)) return *text;
  if (const auto* whole = std::get_if<std::int64_t>(&value)) return *whole;
  // The digits that are shown, as a number. JSON has no NaN: a number that is none is null.
  return std::isfinite(std::get<Decimal>(value).value) ? Json::parse(text_of(value)) : Json();
}

std::string json_text(const Fields& fields) {
  Json object = Json::object();
  for (const auto& [name, value] : fields) object[name] = json_of(value);
  return object.dump(2, ' ', false, Json::error_handler_t::replace);
}

std::string aligned_text(const Fields& fields) {
  std::size_t width = 0;
  for (const auto& [name, value] : fields) width = std::max(width, io::escaped(name).size());
  std::string text;
  for (const auto& [name, value] : fields) {
    const std::string shown = io::escaped(name);
    text += shown + std::string(width - shown.size() + 2, ' ') + io::escaped(text_of(value)) + "\n";
  }
  return text;
}

}  // namespace

void Console::result(const Fields& fields) const {
  print(json ? json_text(fields) : aligned_text(fields));
}

void Console::print(std::string_view text) const {
  write_output(text.ends_with('\n') ? std::string(text) : std::string(text) + "\n");
}

void write_output(std::string_view text) {
  errno = 0;
  if (std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0) return;
  const int error = errno;
  if (error == EPIPE) return;
  throw RunError("cannot write to standard output: " + std::generic_category().message(error) +
                 (error == ENOSPC ? "; free some space" : "; see where it goes"));
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
