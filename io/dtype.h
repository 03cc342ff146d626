#pragma once

#include <torch/types.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace drystill::io {

// One element type of the safetensors format.
struct Dtype {
  std::string_view name;                // "F32"
  std::optional<at::ScalarType> torch;  // absent where LibTorch cannot hold single elements of it
  unsigned bits;                        // of one element
};

// Every type of the format, in the order of the reference implementation; its writer sorts by the position in here.
std::span<const Dtype> all_dtypes();

// nullptr where there is none.
const Dtype* find_dtype(std::string_view name);
const Dtype* find_dtype(at::ScalarType type);

// The number of elements of `shape`, or nothing where it, or any of its strides, passes 63 bits.
std::optional<std::uint64_t> element_count(std::span<const std::int64_t> shape);

// A tensor of its own memory holding a copy of `bytes`, which must be exactly its size. Booleans other than 0 and 1
// become 1: reading them as they are would be undefined.
torch::Tensor tensor_from_bytes(std::span<const std::byte> bytes, at::ScalarType type, at::IntArrayRef shape);

// The elements of a contiguous CPU tensor.
std::span<const std::byte> bytes_of(const torch::Tensor& tensor);

}  // namespace drystill::io
