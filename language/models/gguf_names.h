#pragma once

#include <torch/types.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "io/gguf.h"
#include "language/models/causal_lm.h"
#include "language/models/transformer_options.h"

// Language models in GGUF files (llama.cpp: gguf-py/gguf/constants.py has the names, convert_hf_to_gguf.py what is done
// to the weights). Architectures llama (also Mistral's), qwen2, qwen3 and gpt2.

namespace drystill::language {

// What the metadata and the presence of tensors say. InputError, naming the key, where it is missing or asks for what
// is not computed here.
TransformerOptions gguf_options(const io::GgufFile& file);

// "blk.3.attn_q.weight" -> "model.layers.3.self_attn.q_proj.weight". Nothing for a tensor that is no parameter
// (rope_freqs.weight); InputError for an unknown name.
std::optional<std::string> own_name_of_gguf(const std::string& name, Family family);

// Rows of a q or k projection (or its bias) from neighbouring pairs, which GGUF's llama rotates, to split halves.
torch::Tensor undo_pair_order(const torch::Tensor& weight, std::int64_t heads);

// The whole model, dequantised into `dtype` (kFloat32 or kBFloat16).
std::shared_ptr<CausalLm> load_gguf_causal_lm(const std::filesystem::path& path,
                                              torch::ScalarType dtype = torch::kFloat32);

}  // namespace drystill::language
