#pragma once

#include <filesystem>

#include "language/tokenizer/tokenizer.h"

namespace drystill::language {

// The tokenizer inside a GGUF file. InputError where the file is damaged or its vocabulary is not byte-level BPE.
Tokenizer read_gguf_tokenizer(const std::filesystem::path& path);

}  // namespace drystill::language
