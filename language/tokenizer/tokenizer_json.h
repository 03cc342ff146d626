#pragma once

#include <filesystem>

#include "language/tokenizer/tokenizer.h"

namespace drystill::language {

// Reads a tokenizer.json of Hugging Face's `tokenizers`, with tokenizer_config.json and chat_template.jinja where they
// stand beside it: byte-level BPE with one of the pre-tokenizers of GPT-2, SmolLM2, Llama 3 and Qwen2. Other models
// (Unigram, WordPiece), byte_fallback, Metaspace, other normalisers than NFC and other regular expressions are refused
// by name. `truncation` and `padding` of the file are left aside, and so is `unk_token`: bytes that the vocabulary
// lacks vanish, for an unknown token is a special one, which text must not make. InputError for all of that, and for
// damaged files.
Tokenizer read_tokenizer_json(const std::filesystem::path& path);

}  // namespace drystill::language
