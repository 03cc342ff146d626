#pragma once

#include <cstdint>
#include <string>

#include "language/sampling/inference_engine.h"

namespace CLI {
class App;
}

namespace drystill::apps {

// What every verb is told that runs a language model.
struct LanguageModelArguments {
  std::string model;
  std::string dtype = "float32";
  std::int64_t threads = 0;
};

// The positional `model`, --dtype and --threads. `arguments` outlive the parse.
void add_language_model_arguments(CLI::App& verb, LanguageModelArguments& arguments);

// The model, ready to run, on as many threads as asked for.
language::InferenceEngine load_engine(const LanguageModelArguments& arguments);

}  // namespace drystill::apps
