#pragma once

#include <string_view>
#include <vector>

namespace drystill::language {

// How text is cut into words before the merges. These are the regular expressions of the published tokenizer.json files
// (each alternative tried in this order), matched by hand: no regular-expression engine is needed.
enum class PreTokenizer {
  // 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
  kGpt2,
  // every \p{N} on its own, then kGpt2 on what lies between (SmolLM, SmolLM2)
  kSmolLm2,
  // (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|
  // \s+(?!\S)|\s+
  kLlama3,
  // kLlama3 with \p{N} for \p{N}{1,3} (Qwen2, Qwen2.5, Qwen3)
  kQwen2,
};

// Appends the words of `text` (valid UTF-8), in order and without gaps: together they are `text`. O(n).
void pre_tokenize(PreTokenizer kind, std::string_view text, std::vector<std::string_view>& words);

}  // namespace drystill::language
