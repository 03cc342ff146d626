#pragma once

#include <array>
#include <string_view>

#include "core/fields.h"

namespace drystill::kernels {

// How two rows of logits are compared. P = softmax(student / T), Q = softmax(teacher / T).
enum class DivergenceKind {
  kForwardKl,      // KL(Q || P): the student covers what the teacher believes (Hinton's soft targets)
  kReverseKl,      // KL(P || Q)
  kJensenShannon,  // the clamped form of the published code, see kernels/divergence.h
  kL1,             // mean over classes of |student - teacher|, on logits
  kMse,            // mean over classes of (student - teacher)^2, on logits
};

constexpr auto enum_names(DivergenceKind) {
  return std::to_array<std::string_view>({"kl", "reverse_kl", "js", "l1", "mse"});
}

struct DivergenceOptions {
  DivergenceKind kind = DivergenceKind::kForwardKl;
  double temperature = 1;
  bool scale_by_temperature_squared = true;

  template <class Field>
  void visit(Field&& field) {
    field("kind", kind, "how student and teacher logits are compared");
    field("temperature", temperature, "divides both logits in kl, reverse_kl and js; unused by l1 and mse", positive());
    field("scale_by_temperature_squared", scale_by_temperature_squared,
          "multiply kl and reverse_kl by temperature squared, so that gradients keep their size");
  }

  bool operator==(const DivergenceOptions&) const = default;
};

}  // namespace drystill::kernels
