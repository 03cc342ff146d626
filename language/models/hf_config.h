#pragma once

#include <torch/types.h>

#include <filesystem>
#include <string>

#include "language/models/transformer_options.h"

// config.json of a Hugging Face model folder (keys: the configuration classes of `transformers`). Both spellings of the
// rotary settings are read: rope_theta with rope_scaling, and the newer rope_parameters.

namespace drystill::language {

// Of `path`, or of `path`/config.json where that is a folder. InputError where the file is missing or damaged, or asks
// for what these models do not compute: an unknown family, rope type or activation, an active sliding window, quantised
// weights.
TransformerOptions read_hf_config(const std::filesystem::path& path);

// The same of its text; `source` is what errors call it.
TransformerOptions parse_hf_config(const std::string& text, const std::string& source);

// What `transformers` reads back as the same model. `dtype` is that of the weights beside it.
std::string hf_config_text(const TransformerOptions& options, torch::ScalarType dtype);

}  // namespace drystill::language
