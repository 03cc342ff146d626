#include "generator/rollouts/answer_text.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <initializer_list>
#include <limits>

namespace drystill::generator {
namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// Reads numbers off a text, one at a time.
class NumberScanner {
 public:
  explicit NumberScanner(std::string_view text) : text_(text) {}

  // The next number of any form, or nothing at the end of the text. NaN where it is not finite.
  std::optional<double> next() {
    for (; place_ < text_.size(); ++place_) {
      if (const auto value = fraction_command()) return value;
      if (!begins_number()) continue;
      if (is_digit(at(place_)) && place_ > 0 && (is_letter(text_[place_ - 1]) || text_[place_ - 1] == '_')) {
        skip_name();
        --place_;
        continue;
      }
      const double sign = is_negative() ? -1 : 1;
      return sign * maybe_fraction(plain());
    }
    return std::nullopt;
  }

 private:
  static constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

  char at(std::size_t place) const { return place < text_.size() ? text_[place] : '\0'; }
  bool begins_number() const {
    if (is_digit(at(place_))) return true;
    return at(place_) == '.' && is_digit(at(place_ + 1)) && (place_ == 0 || !is_digit(text_[place_ - 1]));
  }

  // "2.5" of "x2.5".
  void skip_name() {
    while (is_digit(at(place_)) || is_letter(at(place_)) || (at(place_) == '.' && is_digit(at(place_ + 1)))) ++place_;
  }

  // A minus before the number, or before a currency sign in front of it, that subtracts it from nothing.
  bool is_negative() const {
    std::string_view before = text_.substr(0, place_);
    if (before.ends_with('$')) before.remove_suffix(before.ends_with("\\$") ? 2 : 1);
    if (before.ends_with('-')) {
      before.remove_suffix(1);
    } else if (before.ends_with("\xE2\x88\x92")) {  // U+2212, the minus of typography
      before.remove_suffix(3);
    } else {
      return false;
    }
    return before.empty() || !(is_digit(before.back()) || is_letter(before.back()) || before.back() == ')');
  }

  double plain() {
    std::string digits;
    const auto take_digits = [&] {
      while (is_digit(at(place_))) digits += text_[place_++];
    };
    take_digits();
    if (!digits.empty() && digits.size() <= 3) {
      while (at(place_) == ',' && is_digit(at(place_ + 1)) && is_digit(at(place_ + 2)) && is_digit(at(place_ + 3)) &&
             !is_digit(at(place_ + 4))) {
        ++place_;
        take_digits();
      }
    }
    if (at(place_) == '.' && is_digit(at(place_ + 1))) {
      digits += text_[place_++];
      take_digits();
    }
    const std::size_t sign = at(place_ + 1) == '-' || at(place_ + 1) == '+' ? 1 : 0;
    if ((at(place_) == 'e' || at(place_) == 'E') && is_digit(at(place_ + 1 + sign))) {
      digits += 'e';
      if (at(place_ + 1) == '-') digits += '-';
      place_ += 1 + sign;
      take_digits();
    }
    double value = 0;
    const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    return read.ec == std::errc() ? value : kNone;
  }

  double maybe_fraction(double numerator) {
    std::size_t place = place_;
    while (at(place) == ' ') ++place;
    if (at(place) != '/') return numerator;
    ++place;
    while (at(place) == ' ') ++place;
    if (!is_digit(at(place))) return numerator;
    place_ = place;
    return quotient(numerator, plain());
  }

  // \frac{a}{b}, \dfrac{a}{b}, \tfrac{a}{b} of plain numbers.
  std::optional<double> fraction_command() {
    if (at(place_) != '\\') return std::nullopt;
    const std::size_t begin = place_;
    const double sign = is_negative() ? -1 : 1;
    ++place_;
    if (at(place_) == 'd' || at(place_) == 't') ++place_;
    if (text_.substr(place_).starts_with("frac")) {
      place_ += 4;
      if (const auto numerator = braced()) {
        if (const auto denominator = braced()) return sign * quotient(*numerator, *denominator);
      }
    }
    place_ = begin;
    return std::nullopt;
  }

  // "{-12}"
  std::optional<double> braced() {
    if (at(place_) != '{') return std::nullopt;
    ++place_;
    const double sign = at(place_) == '-' ? -1 : 1;
    if (sign < 0) ++place_;
    if (!begins_number()) return std::nullopt;
    const double value = plain();
    if (at(place_) != '}') return std::nullopt;
    ++place_;
    return sign * value;
  }

  static double quotient(double numerator, double denominator) {
    return denominator == 0 ? kNone : numerator / denominator;
  }

  std::string_view text_;
  std::size_t place_ = 0;
};

// What the last \boxed{...} holds; the text itself where there is none, or it is not closed.
std::string_view boxed(std::string_view text) {
  constexpr std::string_view kOpening = "\\boxed{";
  const std::size_t begin = text.rfind(kOpening);
  if (begin == std::string_view::npos) return text;
  const std::size_t first = begin + kOpening.size();
  int depth = 1;
  for (std::size_t i = first; i < text.size(); ++i) {
    if (text[i] == '{') ++depth;
    if (text[i] == '}' && --depth == 0) return text.substr(first, i - first);
  }
  return text;
}

// Letters from U+00C0 to U+024F, by the first of their two bytes: Latin ones with accents.
bool leads_latin_letter(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte >= 0xC3 && byte <= 0xC9;
}

bool is_word_character(char c) {
  return is_letter(c) || is_digit(c) || c == '_';
}

// Whether a letter behind this text is part of a word. Scripts without spaces between words do not count.
bool joins_word_before(std::string_view before) {
  if (before.empty()) return false;
  return is_word_character(before.back()) || (before.size() > 1 && leads_latin_letter(before[before.size() - 2]));
}

// The same before this text: "A's" is a word.
bool joins_word_behind(std::string_view behind) {
  for (const std::string_view apostrophe : {"'", "\xE2\x80\x99"}) {
    if (behind.starts_with(apostrophe)) {
      behind.remove_prefix(apostrophe.size());
      return !behind.empty() && is_letter(behind.front());
    }
  }
  return !behind.empty() && (is_word_character(behind.front()) || leads_latin_letter(behind.front()));
}

}  // namespace

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n\f\v";
  const std::size_t first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

std::string_view before_stop(std::string_view text, const std::vector<std::string>& stops, std::size_t free) {
  std::size_t end = text.size();
  for (const std::string& stop : stops) {
    const std::size_t from = free < stop.size() ? 0 : free - stop.size() + 1;
    end = std::min(end, text.find(stop, from));
  }
  return text.substr(0, end);
}

std::string without_thinking(std::string_view text) {
  constexpr std::string_view kOpening = "<think>", kClosing = "</think>";
  const std::size_t first_closing = text.find(kClosing);
  if (first_closing < text.find(kOpening)) text.remove_prefix(first_closing + kClosing.size());
  std::string kept;
  while (true) {
    const std::size_t opening = text.find(kOpening);
    kept += text.substr(0, opening);
    if (opening == std::string_view::npos) return kept;
    const std::size_t closing = text.find(kClosing, opening);
    if (closing == std::string_view::npos) return kept;
    text.remove_prefix(closing + kClosing.size());
  }
}

std::optional<double> last_number(std::string_view text) {
  NumberScanner scanner(boxed(text));
  std::optional<double> last;
  while (const auto value = scanner.next()) last = value;
  if (last && !std::isfinite(*last)) return std::nullopt;
  return last;
}

std::optional<char> last_choice(std::string_view text, std::string_view letters) {
  for (std::size_t i = text.size(); i-- > 0;) {
    if (letters.find(text[i]) == std::string_view::npos) continue;
    if (!joins_word_before(text.substr(0, i)) && !joins_word_behind(text.substr(i + 1))) return text[i];
  }
  return std::nullopt;
}

}  // namespace drystill::generator
