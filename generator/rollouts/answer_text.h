#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// What a completion says in the end. All functions take any bytes and read them once.

namespace drystill::generator {

// Without ASCII white space at both ends.
std::string_view trimmed(std::string_view text);

// Up to the first of `stops`, texts that are not empty, that ends behind the first `free` bytes.
std::string_view before_stop(std::string_view text, const std::vector<std::string>& stops, std::size_t free = 0);

// Without <think>...</think>. A block that the prompt opened begins with the text; one that is not closed, because the
// completion was cut there, goes to its end.
std::string without_thinking(std::string_view text);

// The last number: digits with or without thousands commas, a decimal point, a sign, an exponent; a/b and
// \frac{a}{b}. Of the last \boxed{...} where there is one. Units and percent signs do not count ("50%" is 50), digits
// behind a letter are no number ("x2"). Nothing where there is none, or the last is not finite ("1/0").
std::optional<double> last_number(std::string_view text);

// The last of `letters` (capitals) that is a word of its own.
std::optional<char> last_choice(std::string_view text, std::string_view letters);

}  // namespace drystill::generator
