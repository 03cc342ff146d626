#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "io/gguf.h"
#include "language/tokenizer/tokenizer.h"

namespace drystill::language {

// The tokenizer of a GGUF file: its `tokenizer.*` metadata as they stand there.
struct GgufVocabulary {
  std::string model;                          // tokenizer.ggml.model: "gpt2" is byte-level BPE, all else is refused
  std::string pre;                            // tokenizer.ggml.pre: "gpt-2", "smollm", "llama-bpe", "qwen2"
  std::vector<std::string> tokens;            // tokenizer.ggml.tokens, by id
  std::vector<std::string> merges;            // tokenizer.ggml.merges: "left right", by rank
  std::vector<std::int32_t> token_types;      // tokenizer.ggml.token_type; empty: all are normal
  std::optional<std::int64_t> bos, eos, pad;  // tokenizer.ggml.{bos,eos,padding}_token_id
  std::optional<std::string> chat_template;   // tokenizer.chat_template
  std::optional<bool> add_bos;  // tokenizer.ggml.add_bos_token; missing: what the pre-tokenizer's models do
  bool add_eos = false;         // tokenizer.ggml.add_eos_token: texts end with `eos`
};

// The tokenizer's part of a file's metadata; keys that are missing stay empty. InputError where a text is no UTF-8.
GgufVocabulary read_gguf_vocabulary(const io::GgufFile& file);

// Whether the file's texts begin with `bos`: what it says itself, or what llama.cpp does with models of its
// pre-tokenizer.
bool adds_bos(const GgufVocabulary& vocabulary);

// `source` names the file in error messages. InputError where the vocabulary is of another kind, or damaged.
Tokenizer tokenizer_from_gguf(const GgufVocabulary& vocabulary, const std::string& source);

}  // namespace drystill::language
