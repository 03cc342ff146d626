#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

namespace CLI {
class App;
}

namespace drystill::apps {

// Ends the verb's --help: command lines without their first word, `drystill`, and what the exit codes mean.
void set_examples(CLI::App& verb, std::initializer_list<std::string_view> examples);

// For CLI11's check(): an empty text is what an unset shell variable leaves, not what anybody means.
std::string refuse_empty(const std::string& value);

}  // namespace drystill::apps
