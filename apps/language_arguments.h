#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "language/sampling/inference_engine.h"

namespace CLI {
class App;
}

namespace drystill::apps {

// What every verb is told that runs a language model.
struct LanguageModelArguments {
  std::string model;
  std::string adapter;
  std::string dtype = "float32";
  std::int64_t threads = 0;
};

// A model ready to run, and what stands before every text.
struct LoadedEngine {
  language::InferenceEngine engine;
  std::optional<language::PrefixKeyValues> prefix;

  const language::PrefixKeyValues* before() const { return prefix ? &*prefix : nullptr; }
};

// The positional `model`, --adapter, --dtype and --threads. `arguments` outlive the parse.
void add_language_model_arguments(CLI::App& verb, LanguageModelArguments& arguments);

// On as many threads as asked for.
LoadedEngine load_engine(const LanguageModelArguments& arguments);

}  // namespace drystill::apps
