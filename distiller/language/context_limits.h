#pragma once

#include <cstdint>
#include <limits>

#include "distiller/language/options.h"
#include "distiller/language/student.h"
#include "language/models/model_mixture.h"

namespace drystill::distiller {

// Tokens that fit the models of a run, behind the prefixes that stand before their texts. Rotary positions go on beyond
// those that a model was trained for, and what it says there means little: somebody has to count.
struct ContextLimits {
  std::int64_t teacher = std::numeric_limits<std::int64_t>::max();  // the smallest of its models; no teacher: any
  std::int64_t student = std::numeric_limits<std::int64_t>::max();
};

// teacher: its models; empty where there is none. teacher_prefix: entries before what it reads, 0 for none.
ContextLimits context_limits(const language::ModelMixture& teacher, std::int64_t teacher_prefix,
                             const LanguageStudent& student);

// ConfigError, naming key, value and limit, where sequences of `longest` tokens do not fit. A text's last token is only
// predicted: it needs no position.
void check_longest(std::int64_t longest, const ContextLimits& limits);
// The same for the windows of held-out text, which are read without the teacher's prefix.
void check_window(const LanguageEvaluationOptions& options, const ContextLimits& limits);

}  // namespace drystill::distiller
