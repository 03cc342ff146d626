#include "generator/rollouts/prompt_source.h"

#include "generator/rollouts/data_free_prompts.h"
#include "generator/rollouts/text_prompts.h"

namespace drystill::generator {
namespace {

template <class... Cases>
struct Overloaded : Cases... {
  using Cases::operator()...;
};
template <class... Cases>
Overloaded(Cases...) -> Overloaded<Cases...>;

}  // namespace

std::unique_ptr<PromptSource> make_prompt_source(const PromptOptions& options, const PromptParts& parts) {
  return std::visit(Overloaded{[&](const BosPrompts& o) { return make_bos_prompts(o, parts); },
                               [&](const VocabStartPrompts& o) { return make_vocab_start_prompts(o, parts); },
                               [&](const PreQueryPrompts& o) { return make_pre_query_prompts(o, parts); },
                               [&](const RandomTokenPrompts& o) { return make_random_token_prompts(o, parts); },
                               [&](const FilePrompts& o) { return make_file_prompts(o, parts); },
                               [&](const TextPrompts& o) { return make_text_prompts(o, parts); },
                               [&](const DialoguePrompts& o) { return make_dialogue_prompts(o, parts); }},
                    options);
}

}  // namespace drystill::generator
