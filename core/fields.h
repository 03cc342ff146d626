#pragma once

#include <cstddef>
#include <initializer_list>
#include <limits>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

// Options are plain structs. Each has one member
//
//   template <class Field> void visit(Field&& field) {
//     field("capacity", capacity, "samples kept; 0 disables the bank", at_least(0));
//   }
//
// and that single list feeds the YAML reader, --set, --help, `config show`, the JSON schema and the equality test.
// A member may be: bool, int64_t, double, std::string, an enum with `enum_names`, a nested struct with `visit`,
// std::vector or std::optional of those, or a std::variant of option structs. No torch and no YAML in here.

namespace drystill {

// What values a field accepts beyond its type.
struct Limits {
  double minimum = -std::numeric_limits<double>::infinity();
  double maximum = std::numeric_limits<double>::infinity();
  bool exclusive_minimum = false;
  std::vector<std::string> choices;  // non-empty: a string must be one of these
  bool required = false;             // the file must name it: there is no sensible default
};

inline Limits at_least(double minimum) {
  return {.minimum = minimum, .choices = {}};
}
inline Limits between(double minimum, double maximum) {
  return {.minimum = minimum, .maximum = maximum, .choices = {}};
}
inline Limits positive() {
  return {.minimum = 0, .exclusive_minimum = true, .choices = {}};
}
inline Limits one_of(std::vector<std::string> choices) {
  return {.choices = std::move(choices)};
}
inline Limits required() {
  return {.choices = {}, .required = true};
}

// An enum names its values in declaration order, starting at 0, by a function found through argument-dependent lookup:
//   constexpr auto enum_names(Pacing) { return std::to_array<std::string_view>({"none", "hard", "soft", "log"}); }
template <class Enum>
concept NamedEnum = std::is_enum_v<Enum> && requires(Enum e) {
  enum_names(e);
};

template <NamedEnum Enum>
std::string_view enum_name(Enum value) {
  return enum_names(value)[static_cast<std::size_t>(value)];
}

// A std::variant of option structs is a mapping whose key `kKey` (say "method") names the alternative `kName`; the
// alternative's own fields stand beside that key. All alternatives share one kKey.
template <class T>
concept Alternative = requires {
  { T::kKey } -> std::convertible_to<std::string_view>;
  { T::kName } -> std::convertible_to<std::string_view>;
};

// A rule over several fields: options may have `std::vector<Problem> problems() const`, checked after reading.
struct Problem {
  std::string field;    // which field to point at
  std::string message;  // "must be below 'end'"
};

}  // namespace drystill
