#include "tests/configs/random_options.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace drystill::configs::testing {
namespace {

std::size_t draw(std::mt19937_64& random, std::size_t count) {
  return std::uniform_int_distribution<std::size_t>(0, count - 1)(random);
}

double random_number(const Limits& limits, std::mt19937_64& random) {
  const double low = std::max(limits.minimum, -1e12);
  const double high = std::min(limits.maximum, 1e12);
  if (!limits.exclusive_minimum && draw(random, 10) == 0) return low;
  const double value = std::uniform_real_distribution<double>(low, high)(random);
  return draw(random, 2) == 0 && low <= 0 ? value * 1e-15 + (limits.exclusive_minimum ? 5e-324 : 0) : value;
}

}  // namespace

std::string random_text(std::mt19937_64& random) {
  constexpr auto kPieces = std::to_array<const char*>({"a",
                                                       "B",
                                                       "7",
                                                       " ",
                                                       "  ",
                                                       "\n",
                                                       "\t",
                                                       "\r",
                                                       "'",
                                                       "\"",
                                                       "\\",
                                                       "#",
                                                       " #",
                                                       ":",
                                                       ": ",
                                                       "- ",
                                                       "?",
                                                       "!",
                                                       "&",
                                                       "*",
                                                       "|",
                                                       ">",
                                                       "%",
                                                       "@",
                                                       "`",
                                                       "{",
                                                       "}",
                                                       "[",
                                                       "]",
                                                       ",",
                                                       "$",
                                                       "${",
                                                       "$${",
                                                       "}",
                                                       "~",
                                                       "null",
                                                       "true",
                                                       "no",
                                                       "1e5",
                                                       "0x",
                                                       ".",
                                                       "...",
                                                       "---",
                                                       "\x01",
                                                       "\x7F",
                                                       "\xC3\xA9",
                                                       "\xE2\x82\xAC",
                                                       "\xF0\x9F\x98\x80",
                                                       "\xEF\xBB\xBF",
                                                       "\xC2\x85",
                                                       "\xE2\x80\xA8"});
  std::string text;
  for (std::size_t left = draw(random, 6); left > 0; --left) text += kPieces.at(draw(random, kPieces.size()));
  return text;
}

void randomise(OptionRef ref, const Limits& limits, std::mt19937_64& random) {
  const OptionType& type = *ref.type;
  switch (type.kind) {
    case OptionKind::kBool:
      ref.as<bool>() = draw(random, 2) == 1;
      return;
    case OptionKind::kInteger: {
      const auto low = static_cast<std::int64_t>(std::max(limits.minimum, -1e18));
      ref.as<std::int64_t>() =
          low + static_cast<std::int64_t>(draw(random, draw(random, 2) == 0 ? 10 : 1'000'000'000'000));
      return;
    }
    case OptionKind::kNumber:
      ref.as<double>() = random_number(limits, random);
      return;
    case OptionKind::kString:
      ref.as<std::string>() =
          limits.choices.empty() ? random_text(random) : limits.choices[draw(random, limits.choices.size())];
      return;
    case OptionKind::kEnum:
      type.select(ref.data, draw(random, type.names().size()));
      return;
    case OptionKind::kOptional:
    case OptionKind::kList:
      type.resize(ref.data, draw(random, type.kind == OptionKind::kOptional ? 2 : 4));
      for (std::size_t i = 0; i < type.size(ref.data); ++i) randomise(type.child(ref.data, i), limits, random);
      return;
    case OptionKind::kStruct:
      for (const auto& field : type.fields(ref.data)) {
        if (draw(random, 3) != 0) randomise(field.ref, field.limits, random);  // some keep their defaults
      }
      return;
    case OptionKind::kVariant:
      type.select(ref.data, draw(random, type.names().size()));
      return randomise(type.child(ref.data, 0), limits, random);
  }
}

}  // namespace drystill::configs::testing
