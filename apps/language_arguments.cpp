#include "apps/language_arguments.h"

#include <CLI/CLI.hpp>

#include "core/threads.h"
#include "language/models/causal_lm_folder.h"

namespace drystill::apps {

void add_language_model_arguments(CLI::App& verb, LanguageModelArguments& arguments) {
  verb.add_option("model", arguments.model, "folder in the form of Hugging Face, or .gguf file")->required();
  verb.add_option("--dtype", arguments.dtype, "float32 or bfloat16")
      ->check(CLI::IsMember({"float32", "bfloat16"}))
      ->capture_default_str();
  verb.add_option("--threads", arguments.threads, "CPU threads; 0: all")->check(CLI::Range(0, 1024));
}

language::InferenceEngine load_engine(const LanguageModelArguments& arguments) {
  limit_threads(arguments.threads);
  const auto dtype = arguments.dtype == "bfloat16" ? torch::kBFloat16 : torch::kFloat32;
  return language::InferenceEngine(*language::load_causal_lm(arguments.model, dtype), dtype);
}

}  // namespace drystill::apps
