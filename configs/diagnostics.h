#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace drystill::configs {

// Where a key or a value was written.
struct Origin {
  std::shared_ptr<const std::string> source;  // "configs/x.yaml" or "--set #2"; null: the default in the code
  int line = 0;                               // from 1; 0 where the source has no lines
  int column = 0;                             // from 1, in bytes

  std::string text() const;  // "configs/x.yaml:3:5", "--set #2", "default"
};

// Collects every error of a configuration, so that a user mends a file in one go.
class Diagnostics {
 public:
  void report(const Origin& origin, const std::string& message);
  std::size_t count() const { return count_; }
  std::vector<std::string> lines() const;  // "file:line:column: message", in the order of the file, none twice

  // Throws one ConfigError whose message holds all lines, joined by line feeds.
  void throw_if_any() const;

 private:
  struct Error {
    Origin origin;
    std::string line;
  };

  std::vector<Error> errors_;
  std::size_t count_ = 0;
};

// `text` fit for one line of a message: control characters replaced, and cut behind `limit` bytes.
std::string shortened(std::string_view text, std::size_t limit = 60);

// The same in single quotes.
std::string in_quotes(std::string_view text);

// "a, b, c": at most `limit` of them, then "...".
std::string listed(const std::vector<std::string>& names, std::size_t limit = 24);

// " (did you mean 'x'?)" where a candidate is near, else " (known: a, b, c)".
std::string hint_for(const std::string& name, const std::vector<std::string>& candidates);

}  // namespace drystill::configs
