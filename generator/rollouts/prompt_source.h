#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "core/seeds.h"
#include "core/state.h"
#include "generator/rollout_options.h"
#include "generator/rollouts/actor.h"
#include "language/views/item.h"
#include "language/views/prompt_encoder.h"

namespace drystill::generator {

// The beginning of a rollout.
struct Draft {
  language::Item item;
  std::vector<std::int64_t> completion;  // where the source brings one: random tokens, real text, a file
  std::int64_t greedy_tokens = 0;        // how many the author takes greedily before sampling
};

class PromptSource {
 public:
  virtual ~PromptSource() = default;
  virtual std::vector<Draft> next(std::int64_t count) = 0;
  virtual void save(StateWriter) const {}
  virtual void load(const StateReader&) {}
};

// Everything that reads real text is handed this function: a test counts its calls. Paths may be folders; the texts
// come in the order of their sorted names.
using TextOpener = std::function<std::vector<std::string>(const std::vector<std::string>& paths)>;

struct PromptParts {
  const language::PromptEncoder& encoder;  // of the teacher
  Actor& teacher;                          // pre_query and dialogue
  TextOpener open_texts;                   // file, text and dialogue only
  std::int64_t completion_length;          // of random_tokens and text
  SeedStreams& seeds;
  std::string stream = "rollout.prompts";  // of the seeds, on the CPU
  // Tokens that fit the teacher, what it reads and what it writes: pre_query and dialogue.
  std::int64_t teacher_room = std::numeric_limits<std::int64_t>::max();
};

// Throws InputError where a file is missing, holds no usable record, or where the tokenizer lacks what the source needs
// (a beginning-of-text token, a chat template), naming it; ConfigError where what the teacher is asked for does not fit
// it.
std::unique_ptr<PromptSource> make_prompt_source(const PromptOptions& options, const PromptParts& parts);

}  // namespace drystill::generator
