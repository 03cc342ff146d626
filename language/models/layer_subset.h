#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "language/models/causal_lm.h"

namespace drystill::language {

// A student of the teacher's layers `layers` (ascending or not, each below the teacher's count), its embeddings, final
// norm and head; parameters of its own, all trainable. DistilBERT's start (Sanh et al. 2019). ConfigError for an index
// that the teacher does not have.
std::shared_ptr<CausalLm> make_from_layers(const CausalLm& teacher, const std::vector<std::int64_t>& layers);

}  // namespace drystill::language
