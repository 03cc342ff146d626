#pragma once

#include <nlohmann/json_fwd.hpp>

#include "language/tokenizer/tokenizer.h"

namespace drystill::language {

// Recognises the normaliser, pre-tokenizer, post-processor and decoder of a whole tokenizer.json and notes them in
// `parts` (whose source is in the messages). InputError, by name, for what is not supported.
void read_pipeline(const nlohmann::json& tokenizer, TokenizerParts& parts);

}  // namespace drystill::language
