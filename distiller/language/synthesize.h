#pragma once

#include <cstdint>
#include <filesystem>

#include "core/progress.h"
#include "distiller/language/options.h"
#include "generator/rollouts/prompt_source.h"

namespace drystill::distiller {

struct TextSynthesisRequest {
  std::filesystem::path folder;  // made where it is missing
  std::int64_t count = 1;        // sequences
  std::int64_t top_k = 0;        // words of the teacher kept with every token; 0: none, records only
};

struct SynthesizedText {
  std::int64_t sequences = 0;
  std::int64_t tokens = 0;  // of the completions
  double mean_tail = 0;     // probability outside the kept words, mean over the tokens
};

// The sequences that a run of `options` would be given, before any step: <folder>/records.jsonl, one object a line with
// the tokens of both prompts and of the completion, and its text; with top_k also a TeacherCache. The ramps go from
// their begin to their end over `count`.
//
// A signal ends it early: what there is becomes the folder's content, and Interrupted says how much that is. After any
// other exception the folder is as it was.
//
// Throws ConfigError for a cached teacher and for two tokenizers with top_k, and what a run throws; InputError where
// the folder has such files already.
SynthesizedText synthesize_text(const DistillLanguageModel& options, const TextSynthesisRequest& request,
                                const generator::TextOpener& open_texts, Progress& progress);

}  // namespace drystill::distiller
