#pragma once

#include <cstdint>
#include <vector>

#include "core/fields.h"
#include "core/options.h"

namespace drystill::generator {

// Experimental, and ours: keys and values before the teacher's context, trained so that what it then writes is where
// teacher and student disagree (generator/rollouts/adversarial_prefix.h has the formulas).
struct AdversarialPrefixOptions {
  std::int64_t length = 16;
  std::int64_t frozen = 1;
  double fluency = 0.5;
  double entropy = 0.01;
  OptimizerOptions optimizer = AdamOptions{.learning_rate = 1e-2};
  double clip_gradient = 1;
  std::int64_t micro_batch = 8;

  template <class Field>
  void visit(Field&& field) {
    field("length", length, "entries of the prefix; it starts as so many tokens that the teacher writes", at_least(1));
    field("frozen", frozen, "first entries that stay as they are: the attention sink", at_least(0));
    field("fluency", fluency,
          "lambda: reward lost for every nat a token that the plain teacher finds the text unlikely", at_least(0));
    field("entropy", entropy, "weight of the entropy of the prefixed teacher's words, nats a token", at_least(0));
    field("optimizer", optimizer, "of the prefix");
    field("clip_gradient", clip_gradient, "largest norm of the prefix's gradient; 0: no limit", at_least(0));
    field("micro_batch", micro_batch, "sequences at once: less memory, the same result", at_least(1));
  }
  std::vector<Problem> problems() const {
    if (frozen >= length) return {{"frozen", "must be below 'length': something has to be trained"}};
    return {};
  }
  bool operator==(const AdversarialPrefixOptions&) const = default;
};

}  // namespace drystill::generator
