#include "language/tokenizer/streaming_decoder.h"

#include <string_view>

#include "core/utf8.h"

namespace drystill::language {

std::string StreamingDecoder::push(std::int64_t id) {
  if (skip_special_ && tokenizer_.is_special(id)) return {};
  waiting_ += tokenizer_.token_bytes(id);
  std::string_view rest = waiting_;
  std::string text;
  while (!rest.empty()) {
    const Utf8Step step = next_character(rest);
    if (step.kind == Utf8Step::Kind::kIncomplete) break;
    append_utf8(step.code_point, text);
    rest.remove_prefix(step.length);
  }
  waiting_.erase(0, waiting_.size() - rest.size());
  return text;
}

std::string StreamingDecoder::finish() {
  std::string text = valid_utf8(waiting_);
  waiting_.clear();
  return text;
}

}  // namespace drystill::language
