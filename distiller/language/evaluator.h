#pragma once

#include <torch/types.h>

#include <optional>
#include <vector>

#include "distiller/language/answers.h"
#include "distiller/language/evaluation_options.h"
#include "distiller/language/student.h"
#include "distiller/loop.h"
#include "generator/rollouts/prompt_source.h"
#include "language/models/model_mixture.h"
#include "language/tokenizer/tokenizer.h"

namespace drystill::distiller {

// How likely a student finds real held-out text, and how close its next-token distributions are to a teacher's there.
struct TextEvaluation {
  struct Comparison {
    double kl = 0;                  // mean KL(teacher || student), nats a token
    double agreement = 0;           // share of tokens with the same likeliest word
    double teacher_perplexity = 0;  // the teacher's, of the text
  };
  double perplexity = 0;  // the student's, of the text
  std::int64_t tokens = 0;
  std::optional<Comparison> comparison;  // where there is a teacher

  Metrics metrics() const;
};

// Who a student is compared with.
struct EvaluationTeacher {
  language::ModelMixture models;
  bool stays = false;  // as it is for all evaluations: it reads the texts only once
};

// Windows of the texts, evenly spaced; every token of a window but the first is predicted.
class TextEvaluator {
 public:
  TextEvaluator(const LanguageEvaluationOptions& options, const std::vector<std::string>& texts,
                const language::Tokenizer& tokenizer);

  // teacher: of the student's vocabulary; null: only the perplexity is known.
  TextEvaluation evaluate(const LanguageStudent& student, const EvaluationTeacher* teacher);

 private:
  torch::Tensor windows_;                                  // int64 [windows, window]
  std::vector<std::vector<torch::Tensor>> known_teacher_;  // of one that stays: of each batch, each model's [M, H]
};

struct LanguageEvaluation {
  Metrics metrics;
  std::int64_t tokens = 0;  // predicted of the texts
};

// Everything that `evaluation` asks for.
class LanguageEvaluator {
 public:
  // view: the student's. `encoder` outlives the evaluator. room: tokens that fit the student.
  LanguageEvaluator(const LanguageEvaluationOptions& options, const generator::TextOpener& open_texts,
                    const language::View& view, const language::PromptEncoder& encoder, std::int64_t room);

  // teacher: null where there is none. writer: the student, as it answers.
  LanguageEvaluation evaluate(const LanguageStudent& student, const EvaluationTeacher* teacher,
                              generator::Actor& writer);

 private:
  std::optional<TextEvaluator> texts_;
  std::vector<AnswerEvaluator> answers_;
};

}  // namespace drystill::distiller
