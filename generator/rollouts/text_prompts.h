#pragma once

#include "generator/rollouts/prompt_source.h"

// Prompts out of files: real data, read through PromptParts::open_texts only.

namespace drystill::generator {

std::unique_ptr<PromptSource> make_file_prompts(const FilePrompts& options, const PromptParts& parts);
std::unique_ptr<PromptSource> make_text_prompts(const TextPrompts& options, const PromptParts& parts);
std::unique_ptr<PromptSource> make_dialogue_prompts(const DialoguePrompts& options, const PromptParts& parts);

}  // namespace drystill::generator
