#pragma once

#include <cstdint>
#include <string>

#include "language/tokenizer/tokenizer.h"

namespace drystill::language {

// Decodes ids as they are sampled. What it returns is always whole characters: the bytes of an unfinished one wait for
// the next ids. All that it returned, with `finish()`, equals Tokenizer::decode of all ids.
class StreamingDecoder {
 public:
  explicit StreamingDecoder(Tokenizer tokenizer, bool skip_special = false)
      : tokenizer_(std::move(tokenizer)), skip_special_(skip_special) {}

  // The text that `id` completes; often empty.
  std::string push(std::int64_t id);

  // What is left: U+FFFD for a character that never ended, or nothing. The decoder is then as new.
  std::string finish();

 private:
  Tokenizer tokenizer_;
  bool skip_special_;
  std::string waiting_;  // at most 3 bytes, the beginning of a character
};

}  // namespace drystill::language
