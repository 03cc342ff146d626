#include "distiller/language/two_tokenizers.h"

#include <algorithm>
#include <numeric>

#include "language/views/translate_tokens.h"

namespace drystill::distiller {

bool translate_completion(const TwoTokenizers& tokenizers, bool by_student, Sequence& sequence) {
  const auto& [teacher, student, alignment] = tokenizers;
  const language::Tokenizer &author = by_student ? student : teacher, &other = by_student ? teacher : student;
  std::vector<std::int64_t> written = std::move(sequence.completion);
  written.resize(language::plain_prefix(author, written));
  auto translated = language::translate_tokens(author, other, written);
  if (!translated) return false;
  if (!by_student) std::swap(written, *translated);
  sequence.completion = std::move(written);
  sequence.teacher_completion = std::move(*translated);
  if (by_student && !sequence.sampler_log_probabilities.empty()) {
    sequence.sampler_log_probabilities.resize(sequence.completion.size());
  } else {
    sequence.sampler_log_probabilities.clear();  // they are of other tokens
  }
  sequence.own_log_probabilities.clear();  // an advantage, which reads them, needs one tokenizer
  language::TokenPairs pairs;
  if (alignment == TokenAlignment::kText) {
    pairs = language::tokens_behind_same_text(student, sequence.completion, teacher, sequence.teacher_completion);
  } else {
    pairs.first.resize(std::min(sequence.completion.size(), sequence.teacher_completion.size()));
    std::iota(pairs.first.begin(), pairs.first.end(), 0);
    pairs.second = pairs.first;
  }
  sequence.student_places = std::move(pairs.first);
  sequence.teacher_places = std::move(pairs.second);
  return true;
}

}  // namespace drystill::distiller
