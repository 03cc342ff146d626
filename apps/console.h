#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace drystill::apps {

// A number that is shown with so many digits behind the point.
struct Decimal {
  double value = 0;
  int places = 4;
};

// One value of a verb's result: a text, a whole number or a number. In JSON a text stays a text, whatever it looks
// like.
using Value = std::variant<std::string, std::int64_t, Decimal>;
using Fields = std::vector<std::pair<std::string, Value>>;

// What every verb is told.
struct Console {
  bool json = false;    // results as JSON on standard output
  bool quiet = false;   // no progress on standard error
  std::string command;  // the command line as typed, for command.txt

  // A verb's result, as aligned lines or as one JSON object. Texts come from files that anybody may have written: in
  // lines their control characters are escaped, in JSON bytes that are no UTF-8 become U+FFFD.
  void result(const Fields& fields) const;
  // Ready-made text or JSON, and a line end where it has none.
  void print(std::string_view text) const;
};

// `text` on standard output, at once and as it is. Throws RunError where it cannot be written; but a pipe whose reader
// has left is no error.
void write_output(std::string_view text);

// `text` quoted for a shell where it needs to be.
std::string shell_quoted(const std::string& text);

}  // namespace drystill::apps
