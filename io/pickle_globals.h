#pragma once

#include <torch/types.h>

#include <optional>
#include <string>
#include <string_view>

namespace drystill::io {

// What a Python object named in a pickle stands for here.
enum class GlobalKind {
  kMapping,           // OrderedDict, dict, defaultdict
  kOpaque,            // harmless and of no use to us: device, Size, set, Counter, Namespace, numpy scalar
  kStorage,           // torch.FloatStorage, ...: `dtype` says which
  kUntypedStorage,    // bytes
  kDtype,             // torch.float32, ...: `dtype` says which
  kTensorClass,       // torch.Tensor, Parameter: named as an argument only
  kRebuildTensor,     // torch._utils._rebuild_tensor and _v2: storage, offset, size, stride, ...
  kRebuildTensorV3,   // ... and a dtype
  kRebuildParameter,  // a tensor and two flags
  kRebuildFromType,   // function, class, arguments, state
};

struct PickleGlobal {
  GlobalKind kind;
  std::optional<at::ScalarType> dtype;  // of kStorage and kDtype, absent for dtypes we do not know
};

// The allow-list: every object a pickle may name. Nothing outside it is ever looked at, and nothing in it is executed:
// each stands for a rule of the unpickler.
std::optional<PickleGlobal> find_pickle_global(std::string_view module, std::string_view name);

// "FloatStorage" for kFloat; nothing for the newer types, which are stored as bytes with a dtype beside them.
std::optional<std::string_view> torch_storage_name(at::ScalarType type);
// "uint16" in `torch.uint16`.
std::optional<std::string_view> torch_dtype_name(at::ScalarType type);

}  // namespace drystill::io
