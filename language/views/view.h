#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "language/views/item.h"
#include "language/views/prompt_encoder.h"
#include "language/views/text_template.h"
#include "language/views/view_options.h"

namespace drystill::language {

// Turns items into prompts of one model.
class View {
 public:
  // `encoder` outlives the view, and so does token_encoder, which Item::tokens are of where that is another model's.
  // ConfigError for a template that cannot be read.
  View(const ViewOptions& options, const PromptEncoder& encoder, const PromptEncoder* token_encoder = nullptr);

  // The tokens that stand before the completion, at least one. Nothing where the item lacks a text that a template
  // names (see ViewOptions::fallback_to_prompt), has neither tokens nor a prompt, or comes out empty: no text, for a
  // tokenizer without a token that begins one. InputError where a text is to become a chat and the model has no chat
  // template, or one that is not known; an item's tokens need none.
  std::optional<std::vector<std::int64_t>> prompt(const Item& item) const;

 private:
  std::optional<std::vector<std::int64_t>> filled(const Item& item) const;
  std::optional<std::vector<std::int64_t>> bare(const Item& item) const;

  ViewOptions options_;
  const PromptEncoder& encoder_;
  const PromptEncoder* token_encoder_;  // null: the same
  TextTemplate system_;
  TextTemplate user_;
  TextTemplate assistant_;
};

}  // namespace drystill::language
