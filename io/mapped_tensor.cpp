#include "io/mapped_tensor.h"

#include <ATen/ops/from_blob.h>

#include "io/dtype.h"

namespace drystill::io {

torch::Tensor mapped_tensor(const std::shared_ptr<MappedFile>& file, std::uint64_t begin, std::uint64_t bytes,
                            at::ScalarType type, at::IntArrayRef shape) {
  const auto content = file->bytes().subspan(begin, bytes);
  const bool aligned = reinterpret_cast<std::uintptr_t>(content.data()) % c10::elementSize(type) == 0;
  if (!aligned || type == at::kBool || content.empty()) return tensor_from_bytes(content, type, shape);
  // The mapping is private and writable: see MappedFile::Access.
  return at::from_blob(
      const_cast<std::byte*>(content.data()), shape, [file](void*) {}, at::TensorOptions().dtype(type));
}

}  // namespace drystill::io
