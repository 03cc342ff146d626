#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/seeds.h"
#include "distiller/language/options.h"
#include "distiller/language/train_options.h"
#include "generator/rollouts/prompt_source.h"
#include "language/load_language_model.h"
#include "language/models/causal_lm.h"
#include "language/tokenizer/tokenizer.h"

namespace drystill::distiller {

// The models of a run and what they read with.
struct RunModels {
  std::vector<std::shared_ptr<language::CausalLm>> teachers;  // with an ensemble's others; empty: none of its own
  std::shared_ptr<language::CausalLm> student;
  language::Tokenizer teacher_tokenizer;
  language::Tokenizer student_tokenizer;
  std::string student_source;     // folder or .gguf that the student began as
  bool student_is_source = true;  // false: it lost layers, or its weights are fresh; no file has what it began as
  bool shared_vocabulary = true;  // false only where loss.universal_logit says that it may differ

  torch::ScalarType dtype = torch::kFloat32;  // what both compute in

  void set_dtype(torch::ScalarType type);  // once the student exists
};

// Fresh weights come from the stream "student.initialisation". Throws ConfigError where the options name no student;
// InputError, naming the models, for files that are missing or damaged and for vocabularies that differ.
RunModels load_run_models(const DistillLanguageModel& options, SeedStreams& seeds);
RunModels load_run_models(const TrainLanguageModel& options, SeedStreams& seeds);

// The student as it is before the first step.
language::LanguageModel load_first_student(const DistillLanguageModel& options, SeedStreams& seeds);
language::LanguageModel load_first_student(const TrainLanguageModel& options, SeedStreams& seeds);

// The first tokens that a kv_prefix starts as; none for other parts trained.
std::vector<std::int64_t> prefix_tokens(const TrainableOptions& options, const language::Tokenizer& tokenizer,
                                        const generator::TextOpener& open_texts);

// ConfigError for any other device: language models run on the CPU for now.
torch::Device cpu_only(const std::string& device);

}  // namespace drystill::distiller
