#include "language/chat/chat_template.h"

#include <algorithm>

#include "core/error.h"
#include "core/utf8.h"
#include "io/quote.h"
#include "language/tokenizer/unicode.h"

namespace drystill::language {
namespace {

using Messages = std::span<const ChatMessage>;

void check_messages(Messages messages) {
  if (messages.empty()) throw InputError("[language.chat] expected at least one message, got none");
  for (const ChatMessage& message : messages) {
    if (message.role == "system" || message.role == "user" || message.role == "assistant") continue;
    throw InputError("[language.chat] expected the role system, user or assistant, got " + io::quote(message.role));
  }
}

// Collects segments; neighbours of one kind become one.
class Writer {
 public:
  Writer& marker(std::string_view text) { return add(text, true); }
  Writer& content(std::string_view text) { return add(text, false); }
  std::vector<ChatSegment> take() { return std::move(segments_); }

 private:
  Writer& add(std::string_view text, bool is_template) {
    if (text.empty()) return *this;
    if (!segments_.empty() && segments_.back().is_template == is_template) {
      segments_.back().text += text;
    } else {
      segments_.push_back({std::string(text), is_template});
    }
    return *this;
  }

  std::vector<ChatSegment> segments_;
};

// Python's str.strip(): White_Space and the four separators U+001C to U+001F.
std::string stripped(const std::string& text) {
  const std::string valid = valid_utf8(text);
  std::size_t begin = valid.size(), end = 0;
  for (std::size_t i = 0; i < valid.size();) {
    const Utf8Step step = next_character(std::string_view(valid).substr(i));
    const bool blank = is_white_space(step.code_point) || (step.code_point >= 0x1C && step.code_point <= 0x1F);
    if (!blank && begin == valid.size()) begin = i;
    i += step.length;
    if (!blank) end = i;
  }
  return end > begin ? valid.substr(begin, end - begin) : std::string();
}

std::string_view without_leading_newlines(std::string_view text) {
  return text.substr(std::min(text.find_first_not_of('\n'), text.size()));
}

std::string_view without_trailing_newlines(std::string_view text) {
  return text.substr(0, text.find_last_not_of('\n') + 1);
}

void chat_ml_turn(Writer& writer, std::string_view role, std::string_view content) {
  writer.marker("<|im_start|>").marker(role).marker("\n").content(content).marker("<|im_end|>\n");
}

// An assistant's message as Qwen3's template takes it apart.
struct Answer {
  std::string_view reasoning, content;

  explicit Answer(std::string_view text) : content(text) {
    constexpr std::string_view kBegin = "<think>", kEnd = "</think>";
    const auto first_end = text.find(kEnd);
    if (first_end == std::string_view::npos) return;
    reasoning = without_trailing_newlines(text.substr(0, first_end));
    if (const auto begin = reasoning.rfind(kBegin); begin != std::string_view::npos) {
      reasoning.remove_prefix(begin + kBegin.size());
    }
    reasoning = without_trailing_newlines(without_leading_newlines(reasoning));
    content = without_leading_newlines(text.substr(text.rfind(kEnd) + kEnd.size()));
  }
};

// The last user message that is a question, not the answer of a tool; the last message where there is none.
std::size_t last_query(Messages messages) {
  for (std::size_t i = messages.size(); i-- > 0;) {
    const std::string& content = messages[i].content;
    const bool tool = content.starts_with("<tool_response>") && content.ends_with("</tool_response>");
    if (messages[i].role == "user" && !tool) return i;
  }
  return messages.size() - 1;
}

void qwen3_turns(Writer& writer, Messages messages) {
  const std::size_t query = last_query(messages);
  for (std::size_t i = 0; i < messages.size(); ++i) {
    if (messages[i].role != "assistant") {
      chat_ml_turn(writer, messages[i].role, messages[i].content);
      continue;
    }
    const Answer answer(messages[i].content);
    writer.marker("<|im_start|>assistant\n");
    if (i > query && (i + 1 == messages.size() || !answer.reasoning.empty())) {
      writer.marker("<think>\n").content(answer.reasoning).marker("\n</think>\n\n");
      writer.content(without_leading_newlines(answer.content));
    } else {
      writer.content(answer.content);
    }
    writer.marker("<|im_end|>\n");
  }
}

void llama3_turn(Writer& writer, std::string_view role, const std::string& content) {
  writer.marker("<|start_header_id|>").marker(role).marker("<|end_header_id|>\n\n");
  writer.content(stripped(content)).marker("<|eot_id|>");
}

void llama31_turns(Writer& writer, Messages messages, const std::string& date) {
  writer.marker("<|start_header_id|>system<|end_header_id|>\n\nCutting Knowledge Date: December 2023\nToday Date: ");
  writer.content(date).marker("\n\n");
  if (messages.front().role == "system") {
    writer.content(stripped(messages.front().content));
    messages = messages.subspan(1);
  }
  writer.marker("<|eot_id|>");
  for (const ChatMessage& message : messages) llama3_turn(writer, message.role, message.content);
}

}  // namespace

std::vector<ChatSegment> ChatTemplate::segments(Messages messages, const ChatOptions& options) const {
  check_messages(messages);
  Writer writer;
  const bool llama = format_ == ChatFormat::kLlama3 || format_ == ChatFormat::kLlama31;
  if (llama) writer.marker(bos_token_);
  if (format_ == ChatFormat::kQwen3) {
    qwen3_turns(writer, messages);
  } else if (format_ == ChatFormat::kLlama31) {
    llama31_turns(writer, messages, options.date);
  } else if (format_ == ChatFormat::kLlama3) {
    for (const ChatMessage& message : messages) llama3_turn(writer, message.role, message.content);
  } else {
    // The default is the template's, but no text of it is a marker.
    if (default_system_ && messages.front().role != "system") chat_ml_turn(writer, "system", *default_system_);
    for (const ChatMessage& message : messages) chat_ml_turn(writer, message.role, message.content);
  }
  if (options.add_generation_prompt || always_prompts_) {
    writer.marker(llama ? "<|start_header_id|>assistant<|end_header_id|>\n\n" : "<|im_start|>assistant\n");
    if (format_ == ChatFormat::kQwen3 && !options.enable_thinking) writer.marker("<think>\n\n</think>\n\n");
  }
  return writer.take();
}

std::string ChatTemplate::render(Messages messages, const ChatOptions& options) const {
  std::string text;
  for (const ChatSegment& segment : segments(messages, options)) text += segment.text;
  return text;
}

std::vector<std::int64_t> encode_segments(const Tokenizer& tokenizer, std::span<const ChatSegment> segments) {
  std::vector<Tokenizer::Part> parts;
  parts.reserve(segments.size());
  for (const ChatSegment& segment : segments) parts.push_back({segment.text, segment.is_template});
  return tokenizer.encode_parts(parts);
}

std::vector<std::int64_t> encode_chat(const Tokenizer& tokenizer, Messages messages, const ChatOptions& options) {
  return encode_segments(tokenizer, ChatTemplate::for_tokenizer(tokenizer).segments(messages, options));
}

}  // namespace drystill::language
