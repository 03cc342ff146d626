#include "generator/rollouts/text_pattern.h"

#include <unicode/regex.h>
#include <unicode/unistr.h>

#include "core/error.h"

namespace drystill::generator {

struct TextPattern::Compiled {
  std::unique_ptr<icu::RegexPattern> pattern;

  std::unique_ptr<icu::RegexMatcher> matcher(const icu::UnicodeString& text) const {
    UErrorCode status = U_ZERO_ERROR;
    std::unique_ptr<icu::RegexMatcher> matcher(pattern->matcher(text, status));
    if (U_FAILURE(status)) throw RunError(std::string("[generator.TextPattern] ") + u_errorName(status));
    return matcher;
  }
};

TextPattern::TextPattern(const std::string& key, const std::string& pattern, std::int64_t step_limit)
    : compiled_(std::make_unique<Compiled>()), step_limit_(step_limit) {
  UErrorCode status = U_ZERO_ERROR;
  UParseError place{};
  compiled_->pattern.reset(icu::RegexPattern::compile(icu::UnicodeString::fromUTF8(pattern), place, status));
  if (U_FAILURE(status)) {
    throw ConfigError(key + ": pattern '" + pattern + "': " + u_errorName(status) + " at line " +
                      std::to_string(place.line) + ", character " + std::to_string(place.offset));
  }
}

TextPattern::~TextPattern() = default;

bool TextPattern::has_group() const {
  return compiled_->matcher({})->groupCount() > 0;
}

TextPattern::Match TextPattern::find(std::string_view text) const {
  const auto unicode = icu::UnicodeString::fromUTF8({text.data(), static_cast<std::int32_t>(text.size())});
  const auto matcher = compiled_->matcher(unicode);
  UErrorCode status = U_ZERO_ERROR;
  matcher->setTimeLimit(static_cast<std::int32_t>(step_limit_), status);
  const bool found = matcher->find(status);
  if (status == U_REGEX_TIME_OUT || status == U_REGEX_STACK_OVERFLOW) return {Outcome::kTimeLimit, ""};
  if (U_FAILURE(status)) throw RunError(std::string("[generator.TextPattern] ") + u_errorName(status));
  if (!found) return {};
  Match match{Outcome::kFound, ""};
  matcher->group(matcher->groupCount() > 0 ? 1 : 0, status).toUTF8String(match.text);
  if (U_FAILURE(status)) match.text.clear();
  return match;
}

}  // namespace drystill::generator
