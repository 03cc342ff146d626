#include "io/dtype.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>

namespace drystill::io {

std::span<const Dtype> all_dtypes() {
  static constexpr auto kDtypes = std::to_array<Dtype>({
      {"BOOL", at::kBool, 8},
      {"F4", std::nullopt, 4},
      {"F6_E2M3", std::nullopt, 6},
      {"F6_E3M2", std::nullopt, 6},
      {"U8", at::kByte, 8},
      {"I8", at::kChar, 8},
      {"F8_E5M2", at::kFloat8_e5m2, 8},
      {"F8_E4M3", at::kFloat8_e4m3fn, 8},
      {"F8_E8M0", at::kFloat8_e8m0fnu, 8},
      {"F8_E4M3FNUZ", at::kFloat8_e4m3fnuz, 8},
      {"F8_E5M2FNUZ", at::kFloat8_e5m2fnuz, 8},
      {"I16", at::kShort, 16},
      {"U16", at::kUInt16, 16},
      {"F16", at::kHalf, 16},
      {"BF16", at::kBFloat16, 16},
      {"I32", at::kInt, 32},
      {"U32", at::kUInt32, 32},
      {"F32", at::kFloat, 32},
      {"C64", at::kComplexFloat, 64},
      {"F64", at::kDouble, 64},
      {"I64", at::kLong, 64},
      {"U64", at::kUInt64, 64},
  });
  return kDtypes;
}

const Dtype* find_dtype(std::string_view name) {
  const auto all = all_dtypes();
  const auto found = std::ranges::find(all, name, &Dtype::name);
  return found == all.end() ? nullptr : &*found;
}

const Dtype* find_dtype(at::ScalarType type) {
  const auto all = all_dtypes();
  const auto found = std::ranges::find(all, std::optional(type), &Dtype::torch);
  return found == all.end() ? nullptr : &*found;
}

std::optional<std::uint64_t> element_count(std::span<const std::int64_t> shape) {
  // Strides are products of sizes, where an empty dimension counts as one; they must not overflow either.
  std::int64_t product = 1;
  bool empty = false;
  for (const std::int64_t size : shape) {
    if (size < 0 || __builtin_mul_overflow(product, std::max<std::int64_t>(size, 1), &product)) return std::nullopt;
    empty = empty || size == 0;
  }
  return empty ? 0 : static_cast<std::uint64_t>(product);
}

torch::Tensor tensor_from_bytes(std::span<const std::byte> bytes, at::ScalarType type, at::IntArrayRef shape) {
  auto tensor = at::empty(shape, at::TensorOptions().dtype(type));
  TORCH_INTERNAL_ASSERT(tensor.nbytes() == bytes.size());
  if (bytes.empty()) return tensor;  // no memory to copy to
  auto* destination = static_cast<std::byte*>(tensor.data_ptr());
  if (type == at::kBool) {
    std::ranges::transform(bytes, destination, [](std::byte b) { return b == std::byte{0} ? b : std::byte{1}; });
  } else {
    std::memcpy(destination, bytes.data(), bytes.size());
  }
  return tensor;
}

std::span<const std::byte> bytes_of(const torch::Tensor& tensor) {
  return {static_cast<const std::byte*>(tensor.const_data_ptr()), tensor.nbytes()};
}

}  // namespace drystill::io
