#pragma once

#include <torch/types.h>

#include <vector>

#include "distiller/language/options.h"
#include "distiller/language/student.h"
#include "distiller/loop.h"
#include "language/models/model_mixture.h"
#include "language/tokenizer/tokenizer.h"

namespace drystill::distiller {

// How close a student's next-token distributions are to its teacher's on real held-out text.
struct TextEvaluation {
  double kl = 0;                  // mean KL(teacher || student), nats a token
  double agreement = 0;           // share of tokens with the same likeliest word
  double perplexity = 0;          // the student's, of the text
  double teacher_perplexity = 0;  // the teacher's
  std::int64_t tokens = 0;
  bool has_teacher = true;  // otherwise the perplexity is all that is known

  Metrics metrics() const;
};

// Windows of the texts, evenly spaced; every token of a window but the first is predicted.
class TextEvaluator {
 public:
  TextEvaluator(const TextEvaluationOptions& options, const std::vector<std::string>& texts,
                const language::Tokenizer& tokenizer);

  // teacher: of the student's vocabulary; null: only the perplexity is known.
  TextEvaluation evaluate(const LanguageStudent& student, const language::ModelMixture* teacher) const;

 private:
  torch::Tensor windows_;  // int64 [windows, window]
};

}  // namespace drystill::distiller
