#include "distiller/language/context_limits.h"

#include <algorithm>
#include <string>

#include "core/error.h"

namespace drystill::distiller {
namespace {

void check(const std::string& key, std::int64_t tokens, const std::string& model, std::int64_t positions) {
  if (tokens - 1 <= positions) return;
  const std::string has = key + ": is " + std::to_string(tokens) + ", but the " + model + " has ";
  if (positions < 1) throw ConfigError(has + "no position left behind its prefix; shorten the prefix");
  throw ConfigError(has + std::to_string(positions) + " positions for it; set it to at most " +
                    std::to_string(positions + 1));
}

void check_both(const std::string& key, std::int64_t tokens, const ContextLimits& limits) {
  check(key, tokens, "student", limits.student);
  check(key, tokens, "teacher", limits.teacher);
}

}  // namespace

ContextLimits context_limits(const language::ModelMixture& teacher, std::int64_t teacher_prefix,
                             const LanguageStudent& student) {
  ContextLimits limits;
  for (const language::CausalLm* model : teacher.models) {
    limits.teacher = std::min(limits.teacher, model->options().max_positions - teacher_prefix);
  }
  limits.student = student.model()->options().max_positions - (student.prefix() ? student.prefix()->length() : 0);
  return limits;
}

void check_longest(std::int64_t longest, const ContextLimits& limits) {
  check_both("longest", longest, limits);
}

void check_window(const LanguageEvaluationOptions& options, const ContextLimits& limits) {
  if (!options.texts.empty()) check_both("evaluation.window", options.window, limits);
}

}  // namespace drystill::distiller
