#include "apps/help.h"

#include <CLI/CLI.hpp>

namespace drystill::apps {

void set_examples(CLI::App& verb, std::initializer_list<std::string_view> examples) {
  std::string footer = "Examples\n";
  for (const std::string_view example : examples) footer += "  drystill " + std::string(example) + "\n";
  footer +=
      "Exit codes: 0 ok, 1 run failed, 2 usage or configuration, 3 input missing or unfit, 4 diverged,\n"
      "5 out of memory, 128+n stopped by signal n";
  verb.footer(footer);
}

std::string refuse_empty(const std::string& value) {
  return value.empty() ? "must not be empty" : "";
}

}  // namespace drystill::apps
