#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace drystill::apps {

// What every verb is told.
struct Console {
  bool json = false;    // results as JSON on standard output
  bool quiet = false;   // no progress on standard error
  std::string command;  // the command line as typed, for command.txt

  // A verb's result: named texts, as aligned lines or as one JSON object.
  void result(const std::vector<std::pair<std::string, std::string>>& fields) const;
  // Ready-made text or JSON.
  void print(std::string_view text) const;
};

// `text` quoted for a shell where it needs to be.
std::string shell_quoted(const std::string& text);

}  // namespace drystill::apps
