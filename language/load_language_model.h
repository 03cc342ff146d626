#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "language/models/causal_lm.h"
#include "language/tokenizer/tokenizer.h"

namespace drystill::language {

struct LanguageModel {
  std::shared_ptr<CausalLm> model;
  Tokenizer tokenizer;
};

// A model with its tokenizer: a Hugging Face folder, or a .gguf file, whose weights are dequantised. Without `dtype`,
// the weights as they are stored (GGUF: float32). InputError names what is missing or does not fit.
LanguageModel load_language_model(const std::filesystem::path& path,
                                  std::optional<torch::ScalarType> dtype = torch::kFloat32);

// A Hugging Face folder: config.json, model.safetensors, and the tokenizer of `tokenizer_source` (a folder, or a .gguf
// file) as tokenizer.json and tokenizer_config.json. Replaces a model that is there, leaving none of its files.
// InputError where there is no tokenizer to be had; nothing is written then.
void save_language_model(const std::filesystem::path& folder, const CausalLm& model,
                         const std::filesystem::path& tokenizer_source,
                         const std::map<std::string, std::string>& metadata = {});

}  // namespace drystill::language
