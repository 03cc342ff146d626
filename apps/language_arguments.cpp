#include "apps/language_arguments.h"

#include <CLI/CLI.hpp>

#include "core/threads.h"
#include "language/adapters/trained_part.h"
#include "language/models/causal_lm_folder.h"

namespace drystill::apps {

void add_language_model_arguments(CLI::App& verb, LanguageModelArguments& arguments) {
  verb.add_option("model", arguments.model, "folder in the form of Hugging Face, or .gguf file")->required();
  verb.add_option("--adapter", arguments.adapter,
                  "folder with a LoRA adapter or a prefix that was trained over the model");
  verb.add_option("--dtype", arguments.dtype, "float32 or bfloat16")
      ->check(CLI::IsMember({"float32", "bfloat16"}))
      ->capture_default_str();
  verb.add_option("--threads", arguments.threads, "CPU threads; 0: all")->check(CLI::Range(0, 1024));
}

LoadedEngine load_engine(const LanguageModelArguments& arguments) {
  limit_threads(arguments.threads);
  const auto dtype = arguments.dtype == "bfloat16" ? torch::kBFloat16 : torch::kFloat32;
  const auto model = language::load_causal_lm(arguments.model, dtype);
  language::TrainedPart part;
  if (!arguments.adapter.empty()) part = language::TrainedPart::load(arguments.adapter, model);
  LoadedEngine loaded{.engine = language::InferenceEngine(*model, dtype), .prefix = {}};  // an adapter is merged in
  if (part.prefix) {
    const torch::NoGradGuard no_grad;
    loaded.prefix = part.prefix->key_values();
  }
  return loaded;
}

}  // namespace drystill::apps
