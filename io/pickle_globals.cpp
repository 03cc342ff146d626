#include "io/pickle_globals.h"

#include <algorithm>
#include <array>
#include <span>

namespace drystill::io {
namespace {

struct TypeName {
  std::string_view name;
  at::ScalarType type;
};

constexpr auto kStorageNames = std::to_array<TypeName>({
    {"DoubleStorage", at::kDouble},
    {"FloatStorage", at::kFloat},
    {"HalfStorage", at::kHalf},
    {"BFloat16Storage", at::kBFloat16},
    {"LongStorage", at::kLong},
    {"IntStorage", at::kInt},
    {"ShortStorage", at::kShort},
    {"CharStorage", at::kChar},
    {"ByteStorage", at::kByte},
    {"BoolStorage", at::kBool},
    {"ComplexFloatStorage", at::kComplexFloat},
    {"ComplexDoubleStorage", at::kComplexDouble},
});

constexpr auto kDtypeNames = std::to_array<TypeName>({
    {"float64", at::kDouble},
    {"float32", at::kFloat},
    {"float16", at::kHalf},
    {"bfloat16", at::kBFloat16},
    {"int64", at::kLong},
    {"int32", at::kInt},
    {"int16", at::kShort},
    {"int8", at::kChar},
    {"uint8", at::kByte},
    {"uint16", at::kUInt16},
    {"uint32", at::kUInt32},
    {"uint64", at::kUInt64},
    {"bool", at::kBool},
    {"complex64", at::kComplexFloat},
    {"complex128", at::kComplexDouble},
    {"float8_e5m2", at::kFloat8_e5m2},
    {"float8_e4m3fn", at::kFloat8_e4m3fn},
    {"float8_e5m2fnuz", at::kFloat8_e5m2fnuz},
    {"float8_e4m3fnuz", at::kFloat8_e4m3fnuz},
    {"float8_e8m0fnu", at::kFloat8_e8m0fnu},
});

struct NamedGlobal {
  std::string_view module;
  std::string_view name;
  GlobalKind kind;
};

constexpr auto kGlobals = std::to_array<NamedGlobal>({
    {"collections", "OrderedDict", GlobalKind::kMapping},
    {"collections", "defaultdict", GlobalKind::kMapping},
    {"collections", "Counter", GlobalKind::kOpaque},
    {"builtins", "dict", GlobalKind::kMapping},
    {"torch", "Size", GlobalKind::kOpaque},
    {"torch", "device", GlobalKind::kOpaque},
    {"torch.serialization", "_get_layout", GlobalKind::kOpaque},
    {"builtins", "set", GlobalKind::kOpaque},
    {"builtins", "complex", GlobalKind::kOpaque},
    {"builtins", "bytearray", GlobalKind::kOpaque},
    {"_codecs", "encode", GlobalKind::kOpaque},
    {"argparse", "Namespace", GlobalKind::kOpaque},
    {"numpy", "dtype", GlobalKind::kOpaque},
    {"numpy.core.multiarray", "scalar", GlobalKind::kOpaque},
    {"numpy._core.multiarray", "scalar", GlobalKind::kOpaque},
    {"torch.storage", "UntypedStorage", GlobalKind::kUntypedStorage},
    {"torch", "UntypedStorage", GlobalKind::kUntypedStorage},
    {"torch", "Tensor", GlobalKind::kTensorClass},
    {"torch._tensor", "Tensor", GlobalKind::kTensorClass},
    {"torch.nn.parameter", "Parameter", GlobalKind::kTensorClass},
    {"torch.nn.parameter", "Buffer", GlobalKind::kTensorClass},
    {"torch._utils", "_rebuild_tensor", GlobalKind::kRebuildTensor},
    {"torch._utils", "_rebuild_tensor_v2", GlobalKind::kRebuildTensor},
    {"torch._utils", "_rebuild_tensor_v3", GlobalKind::kRebuildTensorV3},
    {"torch._utils", "_rebuild_parameter", GlobalKind::kRebuildParameter},
    {"torch._utils", "_rebuild_parameter_with_state", GlobalKind::kRebuildParameter},
    {"torch._tensor", "_rebuild_from_type_v2", GlobalKind::kRebuildFromType},
});

std::optional<std::string_view> name_of(std::span<const TypeName> names, at::ScalarType type) {
  const auto found = std::ranges::find(names, type, &TypeName::type);
  return found == names.end() ? std::nullopt : std::optional(found->name);
}

}  // namespace

std::optional<PickleGlobal> find_pickle_global(std::string_view module, std::string_view name) {
  if (module == "__builtin__") module = "builtins";  // Python 2's name, which protocol 2 keeps
  for (const NamedGlobal& global : kGlobals) {
    if (global.module == module && global.name == name) return PickleGlobal{global.kind, std::nullopt};
  }
  if (module == "torch" || module == "torch.cuda") {
    const auto storage = std::ranges::find(kStorageNames, name, &TypeName::name);
    if (storage != kStorageNames.end()) return PickleGlobal{GlobalKind::kStorage, storage->type};
  }
  if (module == "torch") {
    const auto dtype = std::ranges::find(kDtypeNames, name, &TypeName::name);
    if (dtype != kDtypeNames.end()) return PickleGlobal{GlobalKind::kDtype, dtype->type};
  }
  return std::nullopt;
}

std::optional<std::string_view> torch_storage_name(at::ScalarType type) {
  return name_of(kStorageNames, type);
}

std::optional<std::string_view> torch_dtype_name(at::ScalarType type) {
  return name_of(kDtypeNames, type);
}

}  // namespace drystill::io
