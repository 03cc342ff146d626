#pragma once

#include <torch/types.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "io/gguf_header.h"
#include "io/mapped_file.h"
#include "io/tensor_file.h"

namespace drystill::io {

// A GGUF file (version 2 or 3, little-endian), memory-mapped: opening it reads its header only.
class GgufFile {
 public:
  // Throws InputError where the file is missing or its header breaks a rule of the format.
  explicit GgufFile(const std::filesystem::path& path);

  const std::string& source() const { return source_; }
  unsigned version() const { return header_.version; }
  const std::map<std::string, GgufValue, std::less<>>& metadata() const { return header_.metadata; }
  const std::map<std::string, GgufTensor, std::less<>>& tensors() const { return header_.tensors; }
  bool contains(std::string_view tensor) const { return header_.tensors.contains(tensor); }

  // The values of a tensor in its PyTorch shape, as `dtype`. F32, F16, BF16, F64 and integers asked for as they are
  // stored come as a view of the mapping where their address allows; the view keeps the mapping alive, and writing to
  // it changes neither the file nor any other opening of it. Everything else gets memory of its own: plain types are
  // converted, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q4_K, Q5_K and Q6_K dequantised in parallel. InputError, naming the
  // tensor, where there is none of that name or it is of another quantised type.
  torch::Tensor tensor(std::string_view name, at::ScalarType dtype = at::kFloat) const;

  // One metadata value. Absent where the file does not have the key; InputError, naming the key, where it is of another
  // kind, or an integer that does not fit. `number` takes integers as well.
  std::optional<bool> flag(std::string_view key) const;
  std::optional<std::int64_t> integer(std::string_view key) const;
  std::optional<double> number(std::string_view key) const;
  std::optional<std::string> text(std::string_view key) const;
  std::optional<std::vector<std::int64_t>> integers(std::string_view key) const;
  std::optional<std::vector<double>> numbers(std::string_view key) const;
  const std::vector<std::string>* texts(std::string_view key) const;  // nullptr where absent

 private:
  const GgufValue* find(std::string_view key) const;
  [[noreturn]] void fail_kind(std::string_view key, const std::string& expected) const;
  std::int64_t signed_of(std::string_view key, std::uint64_t value) const;

  std::string source_;
  std::shared_ptr<MappedFile> file_;
  GgufHeader header_;
};

// Every tensor in float32 (plain integers and F64 as they are). Metadata: texts, numbers and flags; arrays, which are
// the tokenizer's vocabulary mostly, are left out.
TensorFile read_gguf(const std::filesystem::path& path);

// "GGUF v3 Q4_1", after the type that takes most bytes. Dtypes have GGML's names. Arrays in the metadata are shortened.
FileDescription describe_gguf(const std::filesystem::path& path);

}  // namespace drystill::io
