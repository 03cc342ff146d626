#include "io/pickle_objects.h"

#include "io/dtype.h"

namespace drystill::io {
namespace {

using Items = std::vector<PickleId>;

constexpr std::size_t kMostDimensions = 64;  // LibTorch's own limit
constexpr std::size_t kLongestKey = 64;      // torch.save writes decimal numbers

[[noreturn]] void fail(const std::string& what) {
  throw PickleObjectError(what);
}

template <class T>
const T& argument(const PickleGraph& graph, const Items& arguments, std::size_t index, const char* what) {
  const T* value = index < arguments.size() ? graph.get<T>(arguments[index]) : nullptr;
  if (value == nullptr) fail(std::string("describes ") + what + " in a form that torch.save does not write");
  return *value;
}

std::int64_t length(const PickleGraph& graph, const Items& arguments, std::size_t index, const char* what) {
  const auto value = argument<std::int64_t>(graph, arguments, index, what);
  if (value < 0) fail(std::string("gives ") + what + " a negative number");
  return value;
}

std::vector<std::int64_t> lengths(const PickleGraph& graph, const Items& arguments, std::size_t index) {
  const Items& items = argument<PickleTuple>(graph, arguments, index, "a tensor").items;
  if (items.size() > kMostDimensions) fail("describes a tensor of more than 64 dimensions");
  std::vector<std::int64_t> result;
  for (std::size_t i = 0; i < items.size(); ++i) result.push_back(length(graph, items, i, "a tensor"));
  return result;
}

// Whether the last element of the view lies within its storage, which has `available` elements.
bool fits(const PickleTensor& tensor, std::int64_t available) {
  const auto count = element_count(tensor.sizes);
  if (!count) return false;
  if (*count == 0) return tensor.offset <= available;
  std::int64_t last = tensor.offset;
  for (std::size_t i = 0; i < tensor.sizes.size(); ++i) {
    std::int64_t reach = 0;
    if (__builtin_mul_overflow(tensor.sizes[i] - 1, tensor.strides[i], &reach) ||
        __builtin_add_overflow(last, reach, &last)) {
      return false;
    }
  }
  return last < available;
}

PickleTensor rebuild_tensor(const PickleGraph& graph, const Items& arguments, bool has_dtype) {
  const auto& storage = argument<PickleStorage>(graph, arguments, 0, "a tensor");
  PickleTensor tensor;
  tensor.storage = arguments[0];
  tensor.offset = length(graph, arguments, 1, "a tensor");
  tensor.sizes = lengths(graph, arguments, 2);
  tensor.strides = lengths(graph, arguments, 3);
  std::int64_t begin = storage.view_begin;
  std::int64_t available = storage.view_elements;
  if (has_dtype) {
    const auto& global = argument<PickleGlobal>(graph, arguments, 6, "a tensor");
    if (global.kind != GlobalKind::kDtype || storage.dtype) {
      fail("describes a tensor in a form that torch.save does not write");
    }
    tensor.dtype = *global.dtype;
    const auto width = static_cast<std::int64_t>(c10::elementSize(tensor.dtype));
    begin /= width;
    available /= width;
  } else {
    if (!storage.dtype) fail("describes a tensor without a dtype");
    tensor.dtype = *storage.dtype;
  }
  if (tensor.sizes.size() != tensor.strides.size() || !fits(tensor, available)) {
    fail("describes a tensor that does not lie within its storage; the file is damaged or hostile");
  }
  tensor.offset += begin;
  return tensor;
}

// OrderedDict(), OrderedDict([[key, value], ...]) as Python 2 wrote it, defaultdict(factory).
PickleDict build_mapping(const PickleGraph& graph, const Items& arguments) {
  PickleDict dict;
  if (arguments.empty()) return dict;
  const auto* list = graph.get<PickleList>(arguments[0]);
  if (list == nullptr) return dict;  // the factory of a defaultdict
  for (const PickleId pair : list->items) {
    const auto* as_list = graph.get<PickleList>(pair);
    const auto* as_tuple = graph.get<PickleTuple>(pair);
    const Items* items = as_list ? &as_list->items : as_tuple ? &as_tuple->items : nullptr;
    if (items == nullptr || items->size() != 2) fail("makes a dict of something that holds no pairs");
    dict.items.emplace_back((*items)[0], (*items)[1]);
  }
  return dict;
}

PickleValue call(const PickleGraph& graph, const PickleGlobal& function, const Items& arguments) {
  switch (function.kind) {
    case GlobalKind::kMapping:
      return build_mapping(graph, arguments);
    case GlobalKind::kOpaque:
      return PickleOpaque{};
    case GlobalKind::kRebuildTensor:
      return rebuild_tensor(graph, arguments, /*has_dtype=*/false);
    case GlobalKind::kRebuildTensorV3:
      return rebuild_tensor(graph, arguments, /*has_dtype=*/true);
    case GlobalKind::kRebuildParameter:
      return argument<PickleTensor>(graph, arguments, 0, "a parameter");
    case GlobalKind::kRebuildFromType: {
      const auto& inner = argument<PickleGlobal>(graph, arguments, 0, "a tensor");
      if (inner.kind != GlobalKind::kRebuildFromType) {  // else it could recurse
        return call(graph, inner, argument<PickleTuple>(graph, arguments, 2, "a tensor").items);
      }
      break;
    }
    case GlobalKind::kStorage:
    case GlobalKind::kUntypedStorage:
    case GlobalKind::kDtype:
    case GlobalKind::kTensorClass:
      break;
  }
  fail("calls an object that torch.save never calls; the file is damaged or hostile");
}

}  // namespace

PickleValue build_pickle_object(const PickleGraph& graph, PickleId function, PickleId arguments) {
  const auto* global = graph.get<PickleGlobal>(function);
  const auto* tuple = graph.get<PickleTuple>(arguments);
  if (global == nullptr || tuple == nullptr) fail("calls something that is no function; the file is damaged");
  return call(graph, *global, tuple->items);
}

PickleValue build_pickle_storage(const PickleGraph& graph, PickleId description) {
  const auto* tuple = graph.get<PickleTuple>(description);
  if (tuple == nullptr || tuple->items.empty()) fail("refers to a storage in a form that torch.save does not write");
  const Items& items = tuple->items;
  const auto& type = argument<std::string>(graph, items, 0, "a storage");
  if (type == "module") {
    fail("holds a whole Python module; in Python, save model.state_dict() instead");
  }
  const auto& global = argument<PickleGlobal>(graph, items, 1, "a storage");
  if (type != "storage" || (global.kind != GlobalKind::kStorage && global.kind != GlobalKind::kUntypedStorage)) {
    fail("refers to a storage in a form that torch.save does not write");
  }
  PickleStorage storage;
  storage.dtype = global.dtype;
  storage.key = argument<std::string>(graph, items, 2, "a storage");
  if (storage.key.size() > kLongestKey) fail("names a storage with more than 64 characters; the file is damaged");
  storage.elements = length(graph, items, 4, "a storage");
  storage.view_elements = storage.elements;
  if (items.size() > 5 && graph.get<PickleTuple>(items[5]) != nullptr) {  // None in files of this decade
    const Items& view = argument<PickleTuple>(graph, items, 5, "a storage").items;
    storage.view_begin = length(graph, view, 1, "a storage");
    storage.view_elements = length(graph, view, 2, "a storage");
    if (storage.view_begin > storage.elements || storage.view_elements > storage.elements - storage.view_begin) {
      fail("describes a part of a storage that does not lie within it; the file is damaged or hostile");
    }
  }
  return storage;
}

}  // namespace drystill::io
