#include <algorithm>
#include <array>
#include <set>
#include <span>

#include "core/error.h"
#include "io/quote.h"
#include "language/chat/canonical_template.h"
#include "language/chat/chat_template.h"

namespace drystill::language {
namespace {

// What stands behind the header of a system message that is the chat's own. With tools there is more of it; no chat
// here has any.
constexpr std::string_view kChatMlSystem = "<|im_start|>system", kChatMlTools = "{%iftools%}{{'";
constexpr auto kChatMlOwnSystem = std::to_array<std::string_view>({"\n'+messages[0]['content']+'<|im_end|>\n'}}",
                                                                   "\n'+messages[0].content+'<|im_end|>\n'}}",
                                                                   "\n'+message.content+'<|im_end|>\n'}}"});
constexpr std::string_view kChatMlEnd = "<|im_end|>\n'}";
constexpr auto kChatMlContents =
    std::to_array<std::string_view>({"message.content%}", "''%}", "content.split('</think>')[-1].lstrip('\n')%}",
                                     "message.content.split('</think>')[-1].lstrip('\n')%}"});
constexpr std::string_view kChatMlPrompt = "{%ifadd_generation_prompt%}{{'<|im_start|>assistant\n'}}{%endif%}";
constexpr std::string_view kQwen3Prompt =
    "{%ifadd_generation_prompt%}{{'<|im_start|>assistant\n'}}"
    "{%ifenable_thinkingisdefinedandenable_thinkingisfalse%}{{'<think>\n\n</think>\n\n'}}{%endif%}{%endif%}";
constexpr std::string_view kLlamaSystem = "<|start_header_id|>system";
constexpr auto kLlamaOwnSystem = std::to_array<std::string_view>(
    {"<|end_header_id|>\n\n'+messages[0]['content']|trim+'<|eot_id|>'",
     "<|end_header_id|>\n\n'+messages[0].content|trim+'<|eot_id|>'",
     "<|end_header_id|>\n\n'}}"
     "{{'Cutting Knowledge Date: December 2023\n'}}{{'Today Date: '+date_string+'\n\n'}}",
     "<|end_header_id|>\n\n'}}{%iftoolsisnotnone%}{{'Environment: ipython\n'}}{%endif%}"
     "{{'Cutting Knowledge Date: December 2023\n'}}{{'Today Date: '+date_string+'\n\n'}}"});
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

bool starts_with_any(std::string_view text, std::span<const std::string_view> forms) {
  return std::ranges::any_of(forms, [&](std::string_view form) { return text.starts_with(form); });
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

  // The text of a literal "<|im_start|>system\n...<|im_end|>\n"; nullopt where there is none. A system message that is
  // neither that nor the chat's own is refused: it would be lost.
  std::optional<std::string> default_system() const {
    std::optional<std::string> found;
    for_each(kChatMlSystem, [&](std::string_view before, std::string_view rest) {
      const bool with_tools = before.ends_with(kChatMlTools) && rest.starts_with("\n'}}");
      if (with_tools || starts_with_any(rest, kChatMlOwnSystem)) return;
      const auto end = rest.find_first_of("'<");
      if (!rest.starts_with('\n') || end == std::string_view::npos || !rest.substr(end).starts_with(kChatMlEnd)) {
        fail("its system message is neither the chat's own nor one text");
      }
      std::string system(rest.substr(1, end - 1));
      std::ranges::replace(system, kApostrophe, '\'');
      if (found && *found != system) fail("it has two default system messages");
      found = std::move(system);
    });
    return found;
  }

  // Nothing but the chat's own system message, behind the dates of Llama 3.1 perhaps.
  void check_llama_system() const {
    for_each(kLlamaSystem, [&](std::string_view, std::string_view rest) {
      const std::string_view turn = rest.substr(0, rest.find("'<|eot_id|>"));
      const bool otherwise_a_text = turn.find("{%else%}{{'") != std::string_view::npos;
      if (!starts_with_any(rest, kLlamaOwnSystem) || otherwise_a_text) fail("Llama 3 with a system message of its own");
    });
    for_each("{%setsystem_message='", [&](std::string_view, std::string_view rest) {
      if (!rest.starts_with('\'')) fail("Llama 3 with a system message of its own");
    });
  }

  // What a message says stands in the chat as it is, but for Qwen3's thinking.
  void check_contents() const {
    for_each("{%setcontent=", [&](std::string_view, std::string_view rest) {
      if (!starts_with_any(rest, kChatMlContents)) fail("ChatML that changes what a message says");
    });
  }

  [[noreturn]] void fail(const std::string& why) const {
    throw InputError(io::quote(source_) + ": its chat template is not supported (" + why +
                     "); expected the one of SmolLM2, ChatML, Qwen2.5, Qwen3 or Llama 3; without a chat: `chat: false` "
                     "in the views, `--raw` on the command line");
  }

 private:
  // Calls `action` with what stands before and behind every `words`.
  template <class Action>
  void for_each(std::string_view words, const Action& action) const {
    const std::string_view text = text_;
    for (auto at = text.find(words); at != std::string_view::npos; at = text.find(words, at + 1)) {
      action(text.substr(0, at), text.substr(at + words.size()));
    }
  }

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
  if (text.has("'role':'system'")) text.fail("it adds a system message of its own");
  ChatTemplate result;
  const auto markers = markers_of(canonical);
  if (markers == std::set<std::string>{"im_start", "im_end"} && is_chat_ml(text)) {
    if (text.has("bos_token") || text.has("eos_token")) text.fail("ChatML with a beginning or end token");
    text.check_contents();
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
    text.check_llama_system();
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
