#pragma once

#include <torch/types.h>

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "language/models/causal_lm.h"

// Model folders in the form of Hugging Face: config.json beside model.safetensors, or beside several files that
// model.safetensors.index.json lists.

namespace drystill::language {

// A published checkpoint's tensors under the names and shapes of CausalLm: gpt2's optional prefix added and its weights
// transposed, buffers and the head of a tied model left out.
std::map<std::string, torch::Tensor> published_to_own(const std::map<std::string, torch::Tensor>& tensors,
                                                      const TransformerOptions& options);

// A model of `tensors` (names of CausalLm), which it takes over without a copy where they have `dtype` already; without
// one, that of the embedding. InputError, in one line, where names or shapes do not fit. `source` is for messages.
std::shared_ptr<CausalLm> make_causal_lm(const TransformerOptions& options,
                                         const std::map<std::string, torch::Tensor>& tensors, const std::string& source,
                                         std::optional<torch::ScalarType> dtype = {});

// The model of a folder (or of a GGUF file, see gguf_names.h), on the CPU; without `dtype`, in that of its files. End
// tokens of generation_config.json count too: instruction-tuned models name some there only.
std::shared_ptr<CausalLm> load_causal_lm(const std::filesystem::path& folder,
                                         std::optional<torch::ScalarType> dtype = torch::kFloat32);

// A model of the shape that a folder's config.json (or that file) says, with fresh weights drawn from `generator` in
// float32; weights beside it are not read.
std::shared_ptr<CausalLm> fresh_causal_lm(const std::filesystem::path& config, at::Generator generator);

// Writes config.json and model.safetensors, which `transformers` loads. Other weights in the folder and a
// generation_config.json are of a model that was there before: they are removed (end tokens that the model took from
// such a file stand in its config.json). The tokenizer's files are not this function's.
void save_causal_lm(const std::filesystem::path& folder, const CausalLm& model,
                    const std::map<std::string, std::string>& metadata = {});

}  // namespace drystill::language
