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

}  // namespace drystill::apps
