#pragma once

#include <torch/types.h>

#include <cstdint>
#include <memory>

#include "io/mapped_file.h"

namespace drystill::io {

// The tensor whose packed elements stand at `begin` of a mapped file, opened for kCopyOnWrite: a view that keeps the
// mapping alive. Where the address does not fit the type, and for booleans, whose bytes may be other than 0 and 1, a
// copy. `bytes` must be the tensor's size and lie within the file.
torch::Tensor mapped_tensor(const std::shared_ptr<MappedFile>& file, std::uint64_t begin, std::uint64_t bytes,
                            at::ScalarType type, at::IntArrayRef shape);

}  // namespace drystill::io
