#include "language/views/view.h"

#include "language/views/translate_tokens.h"

namespace drystill::language {
namespace {

// Nothing for an empty text where no token begins one: there is nothing to predict a completion from.
std::optional<std::vector<std::int64_t>> document(const PromptEncoder& encoder, const std::string& text) {
  auto tokens = encoder.document(text);
  if (tokens.empty()) return std::nullopt;
  return tokens;
}

}  // namespace

View::View(const ViewOptions& options, const PromptEncoder& encoder, const PromptEncoder* token_encoder)
    : options_(options),
      encoder_(encoder),
      token_encoder_(token_encoder),
      system_(options.system),
      user_(options.user),
      assistant_(options.assistant) {}

std::optional<std::vector<std::int64_t>> View::prompt(const Item& item) const {
  const bool has_template = !(system_.empty() && user_.empty() && assistant_.empty());
  if (!has_template) return bare(item);
  auto tokens = filled(item);
  if (!tokens && options_.fallback_to_prompt) return bare(item);
  return tokens;
}

std::optional<std::vector<std::int64_t>> View::filled(const Item& item) const {
  const auto system = system_.fill(item.fields), user = user_.fill(item.fields),
             assistant = assistant_.fill(item.fields);
  if (!system || !user || !assistant) return std::nullopt;
  if (options_.chat) return encoder_.chat(*system, *user, *assistant);
  return document(encoder_, *system + *user + *assistant);
}

std::optional<std::vector<std::int64_t>> View::bare(const Item& item) const {
  if (!item.tokens.empty() && token_encoder_ == nullptr) return item.tokens;
  if (!item.tokens.empty()) return translate_tokens(token_encoder_->tokenizer(), encoder_.tokenizer(), item.tokens);
  const auto prompt = item.fields.find("prompt");
  if (prompt == item.fields.end()) return std::nullopt;
  if (options_.chat) return encoder_.chat({}, prompt->second, {});
  return document(encoder_, prompt->second);
}

}  // namespace drystill::language
