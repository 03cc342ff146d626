#pragma once

#include <memory>
#include <string>
#include <vector>

#include "distiller/language/evaluation_options.h"
#include "generator/rollouts/actor.h"
#include "generator/rollouts/verifier.h"
#include "language/views/view.h"

namespace drystill::distiller {

// Questions with known answers: the share that a model answers right.
class AnswerEvaluator {
 public:
  // texts: the content of options.path. `encoder` outlives the evaluator. InputError where a record cannot be read, or
  // the view lacks a text of it, or where prompt and answer pass `room` tokens, naming file and line.
  AnswerEvaluator(const AnswerEvaluationOptions& options, const std::vector<std::string>& texts,
                  const language::View& view, const language::PromptEncoder& encoder,
                  std::int64_t room = std::numeric_limits<std::int64_t>::max());

  // Share of the records whose greedy answer the verifier accepts. No random numbers are drawn.
  double accepted_share(generator::Actor& writer) const;
  const std::string& name() const { return options_.name; }

 private:
  AnswerEvaluationOptions options_;
  const language::PromptEncoder& encoder_;
  std::vector<language::Item> items_;
  std::vector<std::vector<std::int64_t>> prompts_;  // one an item
  std::unique_ptr<generator::Verifier> verifier_;
};

}  // namespace drystill::distiller
