#include "language/views/prompt_encoder.h"

#include "core/error.h"

namespace drystill::language {
namespace {

std::vector<ChatMessage> messages_of(std::string_view system, std::string_view user) {
  std::vector<ChatMessage> messages;
  if (!system.empty()) messages.push_back({"system", std::string(system)});
  messages.push_back({"user", std::string(user)});
  return messages;
}

}  // namespace

PromptEncoder::PromptEncoder(Tokenizer tokenizer) : tokenizer_(std::move(tokenizer)) {
  if (!tokenizer_.chat_template()) return;
  try {
    template_ = ChatTemplate::for_tokenizer(tokenizer_);
  } catch (const InputError& error) {
    why_not_ = error.what();
  }
}

const ChatTemplate& PromptEncoder::known_template() const {
  if (!why_not_.empty()) throw InputError(why_not_);
  if (!template_) {
    throw InputError(
        tokenizer_.source() +
        ": the model has no chat template; set `chat: false` in the views, or use an instruction-tuned model");
  }
  return *template_;
}

std::vector<std::int64_t> PromptEncoder::ordinary_tokens() const {
  std::vector<std::int64_t> tokens;
  for (std::int64_t id = 0; id < tokenizer_.vocab_size(); ++id) {
    if (tokenizer_.has_token(id) && !tokenizer_.is_special(id)) tokens.push_back(id);
  }
  return tokens;
}

std::vector<std::int64_t> PromptEncoder::text(std::string_view text) const {
  return tokenizer_.encode(text);
}

std::vector<std::int64_t> PromptEncoder::document(std::string_view text) const {
  auto tokens = tokenizer_.encode(text, {.allow_special = false, .add_special = true});
  if (tokens.empty() && tokenizer_.bos()) tokens.push_back(*tokenizer_.bos());
  return tokens;
}

std::vector<std::int64_t> PromptEncoder::completion(std::string_view text) const {
  auto tokens = tokenizer_.encode(text);
  if (tokenizer_.eos()) tokens.push_back(*tokenizer_.eos());
  return tokens;
}

std::string PromptEncoder::decode(std::span<const std::int64_t> tokens) const {
  return tokenizer_.decode(tokens, /*skip_special=*/true);
}

std::vector<std::int64_t> PromptEncoder::chat(std::string_view system, std::string_view user,
                                              std::string_view assistant) const {
  auto segments = known_template().segments(messages_of(system, user), {.add_generation_prompt = true});
  if (!assistant.empty()) segments.push_back({std::string(assistant), false});
  return encode_segments(tokenizer_, segments);
}

std::vector<std::int64_t> PromptEncoder::user_opening(std::string_view system) const {
  // What a template puts before the user's text does not depend on it: cut where a text of our own turns up.
  const std::string marker = "user text";
  auto segments = known_template().segments(messages_of(system, marker));
  while (!segments.empty() && (segments.back().is_template || segments.back().text != marker)) segments.pop_back();
  if (!segments.empty()) segments.pop_back();
  return encode_segments(tokenizer_, segments);
}

}  // namespace drystill::language
