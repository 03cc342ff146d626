#pragma once

#include <torch/types.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "io/pickle_globals.h"

// A pickle, read as data. Python's pickle is a program that calls what it names; here it only builds the values below.
// Values stand in one list and refer to each other by index, so that a pickle nested a million deep, or one that
// contains itself, can neither overflow the stack nor leak.

namespace drystill::io {

using PickleId = std::uint32_t;

struct PickleNone {};
struct PickleOpaque {};  // an allowed object whose content is of no use here
struct PickleTuple {
  std::vector<PickleId> items;
};
struct PickleList {
  std::vector<PickleId> items;
};
struct PickleDict {
  std::vector<std::pair<PickleId, PickleId>> items;
};
// A block of memory beside the pickle.
struct PickleStorage {
  std::string key;
  std::optional<at::ScalarType> dtype;  // absent: plain bytes
  std::int64_t elements = 0;            // of the whole block
  std::int64_t view_begin = 0;          // a part of the block, in very old files
  std::int64_t view_elements = 0;
};
// A strided view of a storage, which lies within it.
struct PickleTensor {
  PickleId storage = 0;
  at::ScalarType dtype = at::kFloat;
  std::int64_t offset = 0;  // in elements, from the begin of the whole block
  std::vector<std::int64_t> sizes;
  std::vector<std::int64_t> strides;
};

using PickleValue = std::variant<PickleNone, PickleOpaque, bool, std::int64_t, double, std::string, PickleGlobal,
                                 PickleTuple, PickleList, PickleDict, PickleStorage, PickleTensor>;

// A read pickle. Containers hold ids of `values`.
struct PickleGraph {
  std::deque<PickleValue> values;
  PickleId root = 0;
  std::size_t bytes_read = 0;

  template <class T>
  const T* get(PickleId id) const {
    return std::get_if<T>(&values.at(id));
  }
};

// Reads one pickle from the start of `bytes`: protocols 2 and 3 with the opcodes that torch.save writes. Throws
// InputError, naming `source`, for anything else; an object outside the allow-list is named.
PickleGraph unpickle(std::span<const std::byte> bytes, const std::string& source);

}  // namespace drystill::io
