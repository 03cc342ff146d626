#pragma once

#include <memory>
#include <vector>

#include "core/state.h"
#include "distiller/language/options.h"
#include "distiller/language/student.h"
#include "language/models/model_mixture.h"

namespace drystill::distiller {

// Who is learned from, and which weights it has at this step.
class LanguageTeacher {
 public:
  virtual ~LanguageTeacher() = default;
  // One model, or several that speak as one, with the weights of now. The pointers stay valid as long as the teacher.
  virtual language::ModelMixture models() const = 0;
  virtual bool moves() const { return false; }  // whether its weights change with the student's
  virtual void after_step(std::int64_t) {}      // the student has taken step `step`, counted from 1
  virtual void save(StateWriter) const {}
  virtual void load(const StateReader&) {}
};

// `loaded` are the teacher's own model and then an ensemble's others; empty for the weights that start as the student.
// `student` outlives the teacher. Null for a cached teacher, which has no model. Throws ConfigError for weights that
// follow a student which is a prefix of keys and values: its model's never change.
std::unique_ptr<LanguageTeacher> make_language_teacher(const TeacherWeights& weights,
                                                       std::vector<std::shared_ptr<language::CausalLm>> loaded,
                                                       const LanguageStudent& student);

}  // namespace drystill::distiller
