#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "language/chat/chat_template.h"
#include "language/tokenizer/tokenizer.h"

namespace drystill::language {

// A tokenizer with its chat template: texts in, the tokens of prompts out. User text never becomes a special token.
class PromptEncoder {
 public:
  // A model without a chat template, or with one that is not known, can still be given plain text.
  explicit PromptEncoder(Tokenizer tokenizer);

  const Tokenizer& tokenizer() const { return tokenizer_; }
  std::optional<std::int64_t> beginning_of_text() const { return tokenizer_.bos(); }
  bool has_chat_template() const { return template_.has_value(); }
  std::vector<std::int64_t> ordinary_tokens() const;  // every id that has a token and is not special

  std::vector<std::int64_t> text(std::string_view text) const;  // nothing around it
  std::vector<std::int64_t> document(
      std::string_view text) const;  // what a base model expects: with BOS where it has one
  // What an assistant writes, and the tokenizer's end token, which generation stops at. Of a base model with a chat
  // template that is another token than the one that ends a turn there.
  std::vector<std::int64_t> completion(std::string_view text) const;
  std::string decode(std::span<const std::int64_t> tokens) const;  // without special tokens

  // A conversation up to where the assistant goes on. An empty system message is the template's own. InputError where
  // the model has no chat template, or one that is not known.
  std::vector<std::int64_t> chat(std::string_view system, std::string_view user, std::string_view assistant) const;
  // A conversation up to where the user's text would begin (Magpie's pre-query template).
  std::vector<std::int64_t> user_opening(std::string_view system) const;

 private:
  const ChatTemplate& known_template() const;

  Tokenizer tokenizer_;
  std::optional<ChatTemplate> template_;
  std::string why_not_;  // where the model's template is not known
};

}  // namespace drystill::language
