#pragma once

#include <torch/types.h>

#include <memory>

#include "core/state.h"
#include "distiller/language/options.h"
#include "language/models/causal_lm.h"

namespace drystill::distiller {

// Who is learned from, and which weights it has at this step.
class LanguageTeacher {
 public:
  virtual ~LanguageTeacher() = default;
  virtual const language::CausalLm& model() const = 0;  // with the weights of now
  virtual void after_step(std::int64_t) {}              // the student has taken step `step`, counted from 1
  virtual void save(StateWriter) const {}
  virtual void load(const StateReader&) {}
};

// `loaded` is the teacher's own model, for frozen; null for the others, which start as `student`.
std::unique_ptr<LanguageTeacher> make_language_teacher(const TeacherWeights& weights,
                                                       std::shared_ptr<language::CausalLm> loaded,
                                                       std::shared_ptr<const language::CausalLm> student);

}  // namespace drystill::distiller
