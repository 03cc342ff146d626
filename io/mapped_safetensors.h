#pragma once

#include <torch/types.h>

#include <filesystem>
#include <map>
#include <memory>
#include <string>

#include "io/mapped_file.h"
#include "io/tensor_file.h"

namespace drystill::io {

// A safetensors file, memory-mapped: opening it reads its header only, and its tensors are views of the mapping, which
// they keep alive. Writing to one changes neither the file nor any other opening of it. A tensor that does not stand at
// a multiple of its element size, and booleans, are copies.
class MappedSafetensors {
 public:
  // Throws InputError where the file is missing or breaks a rule of the format.
  explicit MappedSafetensors(const std::filesystem::path& path);

  const std::string& source() const { return source_; }
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  bool contains(const std::string& tensor) const { return places_.contains(tensor); }

  // InputError, naming the tensor, where there is none of that name or LibTorch lacks its type.
  torch::Tensor tensor(const std::string& name) const;
  std::map<std::string, torch::Tensor> tensors() const;

 private:
  struct Place {
    TensorInfo info;
    std::uint64_t begin = 0;  // within the file
  };
  torch::Tensor view(const Place& place) const;

  std::string source_;
  std::shared_ptr<MappedFile> file_;
  std::map<std::string, Place> places_;
  std::map<std::string, std::string> metadata_;
};

}  // namespace drystill::io
