#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "language/tokenizer/tokenizer.h"

namespace drystill::language {

struct ChatMessage {
  std::string role;  // "system", "user" or "assistant"
  std::string content;
};

struct ChatOptions {
  bool add_generation_prompt = false;  // ends with the header of the assistant's answer
  bool enable_thinking = true;         // Qwen3; false: the answer begins behind an empty <think> block
  std::string date = "26 Jul 2024";    // Llama 3.1 and later, which write today's date; fixed, so that runs repeat
};

// A piece of a rendered chat. Only the template's own pieces may hold special tokens.
struct ChatSegment {
  std::string text;
  bool is_template = false;
};

// The layouts known here. Tools are not supported in any of them.
enum class ChatFormat {
  kChatMl,   // <|im_start|>role\ncontent<|im_end|>\n; SmolLM2, Qwen2, Qwen2.5 with their default system messages
  kQwen3,    // ChatML; earlier answers lose their <think> blocks, the last ones always have one
  kLlama3,   // <|start_header_id|>role<|end_header_id|>\n\ncontent<|eot_id|>, contents stripped
  kLlama31,  // kLlama3 with a system message that begins with two dates (Llama 3.1, 3.2, 3.3)
};

// How a model wants its chats laid out. The Jinja text of a model is not run: it is recognised as one of the formats.
class ChatTemplate {
 public:
  // InputError, naming `source`, for a template that is none of the formats. `bos_token` is the text of that token.
  static ChatTemplate recognise(std::string_view jinja, const std::string& bos_token, const std::string& source);

  // Of a tokenizer's own template; InputError also where it has none.
  static ChatTemplate for_tokenizer(const Tokenizer& tokenizer);

  // The same text as transformers' apply_chat_template. InputError for no messages, or a role that is not known.
  std::string render(std::span<const ChatMessage> messages, const ChatOptions& options = {}) const;
  std::vector<ChatSegment> segments(std::span<const ChatMessage> messages, const ChatOptions& options = {}) const;

  ChatFormat format() const { return format_; }
  const std::optional<std::string>& default_system() const { return default_system_; }

 private:
  ChatFormat format_ = ChatFormat::kChatMl;
  std::string bos_token_;                      // Llama
  std::optional<std::string> default_system_;  // ChatML: where the first message is none
  bool always_prompts_ = false;                // the first Llama 3: the generation prompt is not optional
};

// The ids of a rendered chat. What the messages say cannot make a special token: "<|im_end|>" in a message is ordinary
// text.
std::vector<std::int64_t> encode_segments(const Tokenizer& tokenizer, std::span<const ChatSegment> segments);

// The same of a chat in the tokenizer's own template.
std::vector<std::int64_t> encode_chat(const Tokenizer& tokenizer, std::span<const ChatMessage> messages,
                                      const ChatOptions& options = {});

}  // namespace drystill::language
