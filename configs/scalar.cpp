#include "configs/scalar.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>

namespace drystill::configs {
namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

bool is_word_character(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '/' || c == '.' ||
         c == '+' || c == '-';
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return out;
}

struct Shape {
  bool is_number = false;
  bool is_integer = false;  // digits only, perhaps a sign
  bool has_leading_zero = false;
};

// [-+]? (digits [. digits?] | . digits) ([eE] [-+]? digits)?
Shape shape_of(std::string_view text) {
  Shape shape;
  std::size_t at = !text.empty() && (text[0] == '-' || text[0] == '+') ? 1 : 0;
  const auto skip_digits = [&] {
    const std::size_t begin = at;
    while (at < text.size() && is_digit(text[at])) ++at;
    return at - begin;
  };
  const std::size_t begin = at;
  const std::size_t whole = skip_digits();
  shape.has_leading_zero = whole > 1 && text[begin] == '0';
  if (at == text.size()) {
    shape.is_number = shape.is_integer = whole > 0;
    return shape;
  }
  std::size_t fraction = 0;
  if (text[at] == '.') {
    ++at;
    fraction = skip_digits();
  }
  if (whole + fraction == 0) return shape;
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    ++at;
    if (at < text.size() && (text[at] == '-' || text[at] == '+')) ++at;
    if (skip_digits() == 0) return shape;
  }
  shape.is_number = at == text.size();
  return shape;
}

std::string number_hint(const Node& scalar) {
  const std::string_view text = scalar.text;
  if (scalar.is_quoted) return shape_of(text).is_number ? " (write it without quotes)" : "";
  if (shape_of(text).has_leading_zero) return " (no leading zero: some readers take it for octal)";
  if (text.starts_with("0x") || text.starts_with("0o") || text.starts_with("0b")) return " (write it in decimal)";
  std::string stripped(text);
  std::erase_if(stripped, [](char c) { return c == '_' || c == ','; });
  if (stripped.size() < text.size() && shape_of(stripped).is_number) return " (write " + in_quotes(stripped) + ")";
  return "";
}

std::optional<double> read_double(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  double value = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || stop != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

Parsed<bool> parse_bool(const Node& scalar) {
  const std::string text = lower(scalar.text);
  const bool is_true = text == "true";
  if (is_true || text == "false") {
    if (scalar.is_quoted) return {std::nullopt, " (write it without quotes)"};
    return {is_true, ""};
  }
  if (text == "yes" || text == "on" || text == "1" || text == "y") return {std::nullopt, " (write true)"};
  if (text == "no" || text == "off" || text == "0" || text == "n") return {std::nullopt, " (write false)"};
  return {std::nullopt, ""};
}

Parsed<double> parse_number(const Node& scalar) {
  const std::string text = lower(scalar.text);
  if (!scalar.is_quoted) {
    if (text == ".inf" || text == "+.inf" || text == "-.inf" || text == "inf" || text == "infinity")
      return {std::nullopt, " (must be finite)"};
    const Shape shape = shape_of(text);
    if (shape.is_number && !shape.has_leading_zero) {
      if (const auto value = read_double(text)) return {value, ""};
      return {std::nullopt, " (too large or too small for a double)"};
    }
  }
  return {std::nullopt, number_hint(scalar)};
}

Parsed<std::int64_t> parse_integer(const Node& scalar) {
  const Shape shape = shape_of(scalar.text);
  if (scalar.is_quoted || !shape.is_number || shape.has_leading_zero) return {std::nullopt, number_hint(scalar)};
  if (shape.is_integer) {
    std::string_view text = scalar.text;
    if (text.starts_with('+')) text.remove_prefix(1);
    std::int64_t value = 0;
    const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
    if (result.ec == std::errc{}) return {value, ""};
    return {std::nullopt, " (beyond 64 bits)"};
  }
  constexpr double kExact = 9007199254740992.0;  // 2^53: up to here a double names one integer
  const auto value = read_double(scalar.text);
  if (value && std::trunc(*value) == *value && std::abs(*value) <= kExact) {
    return {static_cast<std::int64_t>(*value), ""};
  }
  return {std::nullopt, ""};
}

std::string write_number(double value) {
  if (std::isinf(value)) return value > 0 ? ".inf" : "-.inf";
  if (std::isnan(value)) return ".nan";
  std::array<char, 32> buffer{};
  const auto result = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value);
  return {buffer.data(), result.ptr};
}

bool needs_quotes(std::string_view text) {
  if (text.empty() || !std::all_of(text.begin(), text.end(), is_word_character)) return true;
  const char first = text.front();
  // Numbers of every YAML version start like this; so do document markers and list items.
  if (is_digit(first) || first == '+' || first == '-' || (first == '.' && !text.starts_with("./") && text != "..")) {
    return !text.starts_with("../");
  }
  constexpr auto kWords =
      std::to_array<std::string_view>({"null", "true", "false", "yes", "no", "on", "off", "y", "n"});
  return std::find(kWords.begin(), kWords.end(), lower(text)) != kWords.end();
}

}  // namespace drystill::configs
