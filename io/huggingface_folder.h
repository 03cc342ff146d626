#pragma once

#include <filesystem>

#include "io/tensor_file.h"

// A folder as Hugging Face's `save_pretrained` writes it, of which this room knows the weights. The first of these that
// is there counts, as in transformers:
//
//   model.safetensors
//   model.safetensors.index.json    {"weight_map": {tensor: shard file}}, and the shards
//   pytorch_model.bin               of torch.save
//   pytorch_model.bin.index.json    the same for shards of torch.save

namespace drystill::io {

// Every tensor of the folder's weights, and the metadata of its first file. Tensors of safetensors files are views of
// memory-mapped files (io/mapped_safetensors.h): a folder of any size opens at once. InputError where no weights are
// there, a shard is missing or has a name that leaves the folder, a tensor is not in the shard that the index names or
// in two of them, or a file is damaged. Tensors that the index does not name are left out.
TensorFile read_huggingface_folder(const std::filesystem::path& folder);

// The same without reading tensor data; plain values of config.json are metadata under "config.<key>".
FileDescription describe_huggingface_folder(const std::filesystem::path& folder);

// Removes the weights that stand beside the folder's model.safetensors: those of a model that was there before. Of the
// shards that an index names, files with the ending of weights only. A file that cannot be removed is a
// std::filesystem::filesystem_error.
void remove_other_weights(const std::filesystem::path& folder);

}  // namespace drystill::io
