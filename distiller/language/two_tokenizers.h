#pragma once

#include "distiller/language/loss_options.h"
#include "distiller/language/sequence.h"
#include "language/tokenizer/tokenizer.h"

namespace drystill::distiller {

// What both models read with, where that differs.
struct TwoTokenizers {
  const language::Tokenizer& teacher;
  const language::Tokenizer& student;
  TokenAlignment alignment = TokenAlignment::kText;
};

// `sequence.completion` is in its author's tokens: makes it the student's, adds the teacher's, and says which are
// compared. The author's is cut first to what is plain text. False where the text has no tokens in the other's.
bool translate_completion(const TwoTokenizers& tokenizers, bool by_student, Sequence& sequence);

}  // namespace drystill::distiller
