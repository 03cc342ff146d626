#pragma once

#include "generator/rollouts/prompt_source.h"

// Prompts out of nothing but the teacher and its tokenizer, and random tokens to compare them with. What each is:
// generator/rollout_options.h.

namespace drystill::generator {

std::unique_ptr<PromptSource> make_bos_prompts(const BosPrompts& options, const PromptParts& parts);
std::unique_ptr<PromptSource> make_vocab_start_prompts(const VocabStartPrompts& options, const PromptParts& parts);
std::unique_ptr<PromptSource> make_pre_query_prompts(const PreQueryPrompts& options, const PromptParts& parts);
std::unique_ptr<PromptSource> make_random_token_prompts(const RandomTokenPrompts& options, const PromptParts& parts);

}  // namespace drystill::generator
