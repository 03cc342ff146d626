#pragma once

#include <torch/types.h>

#include <span>
#include <string>
#include <vector>

#include "distiller/language/options.h"
#include "distiller/language/sequence.h"
#include "distiller/language/student.h"
#include "distiller/language/teacher.h"
#include "kernels/token_divergence.h"

namespace drystill::distiller {

// What a teacher says of the tokens of completions, without a gradient.
struct TeacherTokens {
  kernels::HeadMixture head;          // hidden [M, Ht] each; several only for a mean of probabilities
  std::vector<torch::Tensor> states;  // [M, Ht], of the teacher's layer of every pair
};

// What the terms of a loss are computed from: the states that predict the M tokens of all completions, and those
// tokens. With two tokenizers the teacher has tokens of its own, and the `places` say which are compared.
struct PredictedTokens {
  kernels::HeadInput student;                    // hidden [M, H], with a gradient
  TeacherTokens teacher;                         // no heads where there is no teacher, or `top_k` stands in for it
  kernels::TeacherTopK top_k;                    // [M, K]; undefined where a model was asked
  torch::Tensor tokens;                          // int64 [M]
  std::vector<torch::Tensor> student_states;     // [M, H], of the student's layer of every pair
  torch::Tensor student_places, teacher_places;  // int64 [P]; undefined: all, one tokenizer
};

struct TokenPredictorOptions {
  std::vector<LayerPair> layers;    // whose states are wanted
  bool shared_vocabulary = true;    // otherwise rows of the heads do not stand for the same words
  std::int64_t cached_words = 0;    // words that a cached teacher knows; 0: there is none
  std::int64_t rows_at_once = 256;  // whose logits exist at a time in `remember`
};

// Runs both models over the two views of sequences.
class TokenPredictor {
 public:
  // `student` and `teacher` (null: none, or cached) outlive the predictor.
  TokenPredictor(const TokenPredictorOptions& options, const LanguageStudent& student, const LanguageTeacher* teacher,
                 torch::Device device);

  TeacherTokens ask_teacher(std::span<const Sequence> sequences) const;
  // What the teacher was asked already is given as `teacher`.
  PredictedTokens predict(std::span<const Sequence> sequences, const TeacherTokens* teacher = nullptr) const;

  std::int64_t words() const { return words_; }  // that both models know; the student's with two vocabularies

  // Writes the teacher's k likeliest words, of those that both know, into the sequences.
  void remember(std::span<Sequence> sequences, std::int64_t k) const;

 private:
  TokenPredictorOptions options_;
  const LanguageStudent& student_;
  const LanguageTeacher* teacher_;
  torch::Device device_;
  // Rows of the heads that are compared: embeddings of one tokenizer may be padded to different sizes.
  std::int64_t words_, teacher_words_;
};

// `named`, or where it is empty every layer of the student, evenly spread over the teacher's. ConfigError, naming the
// option `key`, for a layer that is not there, and for hidden sizes that differ.
std::vector<LayerPair> layer_pairs(const std::string& key, std::vector<LayerPair> named,
                                   const language::TransformerOptions& teacher,
                                   const language::TransformerOptions& student);

// The pairs of a student that kept these layers (from 0) of its teacher's: what follows each is to find the state that
// it used to find. {0, 1, 4} of 6: {1, 1}, {4, 2}, {6, 3}.
std::vector<LayerPair> pairs_of_kept_layers(std::span<const std::int64_t> kept, std::int64_t teacher_layers);

}  // namespace drystill::distiller
