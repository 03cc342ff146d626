#include <algorithm>
#include <set>

#include "core/error.h"
#include "io/quote.h"
#include "language/chat/canonical_template.h"
#include "language/chat/chat_template.h"

namespace drystill::language {
namespace {

constexpr std::string_view kChatMlSystem = "<|im_start|>system\n";
constexpr std::string_view kChatMlEnd = "<|im_end|>\n'}";
constexpr std::string_view kChatMlPrompt = "{%ifadd_generation_prompt%}{{'<|im_start|>assistant\n'}}{%endif%}";
constexpr std::string_view kQwen3Prompt =
    "{%ifadd_generation_prompt%}{{'<|im_start|>assistant\n'}}"
    "{%ifenable_thinkingisdefinedandenable_thinkingisfalse%}{{'<think>\n\n</think>\n\n'}}{%endif%}{%endif%}";
constexpr std::string_view kLlamaHeader = "{{'<|start_header_id|>assistant<|end_header_id|>\n\n'}}";
constexpr std::string_view kLlamaPrompt =
    "{%ifadd_generation_prompt%}{{'<|start_header_id|>assistant<|end_header_id|>\n\n'}}{%endif%}";

// The names in <|name|> that a template writes.
std::set<std::string> markers_of(std::string_view text) {
  std::set<std::string> markers;
  for (auto begin = text.find("<|"); begin != std::string_view::npos; begin = text.find("<|", begin + 1)) {
    const auto end = text.find("|>", begin);
    if (end == std::string_view::npos) break;
    markers.emplace(text.substr(begin + 2, end - begin - 2));
  }
  return markers;
}

class Recogniser {
 public:
  Recogniser(std::string canonical, const std::string& source) : text_(std::move(canonical)), source_(source) {}

  bool has(std::string_view words) const { return text_.find(words) != std::string::npos; }
  bool ends_with(std::string_view words) const { return std::string_view(text_).ends_with(words); }

  bool has_any(std::initializer_list<std::string_view> forms) const {
    return std::ranges::any_of(forms, [&](std::string_view form) { return has(form); });
  }

  bool prints_between_tags() const {
    std::string_view rest = text_;
    while (!rest.empty()) {
      if (!rest.starts_with("{{") && !rest.starts_with("{%")) return true;
      bool in_literal = false;
      std::size_t i = 2;
      for (; i + 1 < rest.size(); ++i) {
        if (rest[i] == '\'') in_literal = !in_literal;
        if (!in_literal && rest[i + 1] == '}' && (rest[i] == '}' || rest[i] == '%')) break;
      }
      rest.remove_prefix(std::min(i + 2, rest.size()));
    }
    return false;
  }

  // The text of a literal "<|im_start|>system\n...<|im_end|>\n"; nullopt where there is none.
  std::optional<std::string> default_system() const {
    std::optional<std::string> found;
    for (auto at = text_.find(kChatMlSystem); at != std::string::npos; at = text_.find(kChatMlSystem, at + 1)) {
      const auto begin = at + kChatMlSystem.size();
      const auto end = text_.find_first_of(text_[begin] == '\'' ? "'" : "<", begin);
      if (text_[begin] == '\'' || end == std::string::npos || text_.compare(end, kChatMlEnd.size(), kChatMlEnd) != 0)
        continue;
      std::string system = text_.substr(begin, end - begin);
      std::ranges::replace(system, kApostrophe, '\'');
      if (found && *found != system) fail("it has two default system messages");
      found = std::move(system);
    }
    return found;
  }

  [[noreturn]] void fail(const std::string& why) const {
    throw InputError(io::quote(source_) + ": its chat template is not supported (" + why +
                     "); expected the one of SmolLM2, ChatML, Qwen2.5, Qwen3 or Llama 3; without a chat: `chat: false` "
                     "in the views, `--raw` on the command line");
  }

 private:
  std::string text_;
  const std::string& source_;
};

bool is_chat_ml(const Recogniser& text) {
  return text.has_any({"{{'<|im_start|>'+message.role+'\n'+message.content+'<|im_end|>\n'}}",
                       "{{'<|im_start|>'+message.role+'\n'+content+'<|im_end|>\n'}}"});
}

bool is_llama3(const Recogniser& text) {
  return text.has("'<|start_header_id|>'+message.role+'<|end_header_id|>\n\n'+message.content|trim+'<|eot_id|>'");
}

}  // namespace

ChatTemplate ChatTemplate::recognise(std::string_view jinja, const std::string& bos_token, const std::string& source) {
  const std::string canonical = canonical_template(jinja, source);
  const Recogniser text(canonical, source);
  if (text.prints_between_tags()) text.fail("it prints text between its tags");
  ChatTemplate result;
  const auto markers = markers_of(canonical);
  if (markers == std::set<std::string>{"im_start", "im_end"} && is_chat_ml(text)) {
    if (text.has("bos_token") || text.has("eos_token")) text.fail("ChatML with a beginning or end token");
    result.default_system_ = text.default_system();
    if (text.ends_with(kQwen3Prompt) && text.has("last_query_index") && !result.default_system_) {
      result.format_ = ChatFormat::kQwen3;
      return result;
    }
    if (!text.ends_with(kChatMlPrompt)) text.fail("ChatML with an unusual generation prompt");
    if (text.has("think")) text.fail("ChatML with thinking other than Qwen3's");
    return result;
  }
  if (markers == std::set<std::string>{"start_header_id", "end_header_id", "eot_id"} && is_llama3(text) &&
      text.has("bos_token")) {
    const bool dated = text.has("Today Date: ");
    if (dated && !text.has("{{'Cutting Knowledge Date: December 2023\n'}}")) text.fail("Llama 3 with another header");
    result.format_ = dated ? ChatFormat::kLlama31 : ChatFormat::kLlama3;
    result.bos_token_ = bos_token;
    if (bos_token.empty()) text.fail("it writes a beginning token, the tokenizer has none");
    if (text.ends_with(kLlamaPrompt)) return result;
    if (!text.ends_with(kLlamaHeader)) text.fail("Llama 3 with an unusual generation prompt");
    result.always_prompts_ = true;
    return result;
  }
  text.fail("an unknown layout");
}

ChatTemplate ChatTemplate::for_tokenizer(const Tokenizer& tokenizer) {
  if (!tokenizer.chat_template()) {
    throw InputError(io::quote(tokenizer.source()) + " has no chat template; a chat needs an instruction-tuned model");
  }
  const std::string bos(tokenizer.bos() ? tokenizer.token_bytes(*tokenizer.bos()) : "");
  return recognise(*tokenizer.chat_template(), bos, tokenizer.source());
}

}  // namespace drystill::language
