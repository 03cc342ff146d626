#pragma once

#include <stdexcept>

#include "io/unpickler.h"

// What the objects on the allow-list mean: the part of the unpickler that knows PyTorch.

namespace drystill::io {

// The end of a sentence that begins with "its pickle".
struct PickleObjectError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// What calling `function` with the tuple `arguments` stands for. Throws PickleObjectError where they do not fit: a
// tensor, say, that does not lie within its storage.
PickleValue build_pickle_object(const PickleGraph& graph, PickleId function, PickleId arguments);

// The storage that a persistent id describes: ("storage", class, key, device, elements[, view]).
PickleValue build_pickle_storage(const PickleGraph& graph, PickleId description);

}  // namespace drystill::io
