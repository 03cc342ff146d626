#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/fields.h"

namespace drystill::language {

// Low-rank adapters (Hu et al. 2021).
struct LoraOptions {
  std::int64_t rank = 8;
  double alpha = 16;
  // Layers by the end of their name, as PEFT has it. Empty: all of attention and feed-forward.
  std::vector<std::string> targets;

  template <class Field>
  void visit(Field&& field) {
    field("rank", rank, "inner width of the correction", between(1, 65536));
    field("alpha", alpha, "the correction is scaled by alpha / rank", positive());
    field("targets", targets, "layers by the end of their name (q_proj, v_proj); empty: all of attention and MLP");
  }
  bool operator==(const LoraOptions&) const = default;
};

}  // namespace drystill::language
