#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

// A regular expression (ICU's), searched for within a limit of work: completions are any text at all.

namespace drystill::generator {

class TextPattern {
 public:
  enum class Outcome { kFound, kNotFound, kTimeLimit };
  struct Match {
    Outcome outcome = Outcome::kNotFound;
    std::string text;  // what the first group matched; of a pattern without groups: all that matched
  };

  // key: what a ConfigError for a pattern that cannot be read names. step_limit: steps of about a millisecond.
  TextPattern(const std::string& key, const std::string& pattern, std::int64_t step_limit);
  ~TextPattern();

  bool has_group() const;
  // The first match. Bytes that are not UTF-8 count as U+FFFD.
  Match find(std::string_view text) const;

 private:
  struct Compiled;  // ICU's headers stay out of this one
  std::unique_ptr<Compiled> compiled_;
  std::int64_t step_limit_;
};

}  // namespace drystill::generator
