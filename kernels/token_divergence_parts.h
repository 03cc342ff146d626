#pragma once

#include "kernels/token_divergence.h"

// Between the public functions of kernels/token_divergence.h and what computes rows. Not differentiable.
namespace drystill::kernels {

constexpr double kLowestLogit = -1e30;  // stands for -inf: finite, so that differences and products with 0 are
constexpr double kLogFloor = -1e4;      // least log-probability of a bucket
constexpr double kTailLimit = -1e-7;    // greatest log of the probability inside the support: the tail is never empty

// jensen_shannon with beta 0 and 1 is a KL (as in TRL).
inline TokenDivergenceKind effective_kind(const TokenDivergenceOptions& options) {
  if (options.kind != TokenDivergenceKind::kJensenShannon) return options.kind;
  if (options.beta == 0) return TokenDivergenceKind::kForwardKl;
  return options.beta == 1 ? TokenDivergenceKind::kReverseKl : options.kind;
}

inline double temperature_factor(const TokenDivergenceOptions& options) {
  return options.scale_by_temperature_squared ? options.temperature * options.temperature : 1;
}

// Exactly one of teacher and top_k.ids is defined.
struct TokenRowsInput {
  torch::Tensor student;  // [M, V] contiguous
  torch::Tensor teacher;  // [M, V] contiguous, of a type of its own
  TeacherTopK top_k;      // contiguous; log-probabilities in compute_type(student)
  torch::Tensor scales;   // [M] in compute_type(student), or undefined: multiplies the gradient; rows of 0 are not read
  torch::Tensor gradient;  // [M, V] contiguous, written if defined; may be `student` itself
  bool metrics = false;
};

struct TokenRows {
  torch::Tensor loss;        // [M], not scaled
  torch::Tensor kl;          // [M] if metrics and there is a teacher
  torch::Tensor agreements;  // [M] bool if metrics
};

inline torch::ScalarType compute_type(const torch::Tensor& student) {
  return student.scalar_type() == torch::kFloat64 ? torch::kFloat64 : torch::kFloat32;
}

// The fastest way there is for these types on this device.
TokenRows token_rows(const TokenRowsInput& input, const TokenDivergenceOptions& options);

// By torch operators: any type, any device.
TokenRows composed_token_rows(const TokenRowsInput& input, const TokenDivergenceOptions& options);

namespace cpu {
// float32 and bfloat16 only.
TokenRows token_rows(const TokenRowsInput& input, const TokenDivergenceOptions& options);
}  // namespace cpu

// Checks shared by the public functions; `where` begins the message.
void check_token_options(const TokenDivergenceOptions& options, const char* where);
void check_row_weights(const torch::Tensor& weights, const torch::Tensor& student, const char* where);
void check_head(const HeadInput& head, const char* whose, const char* where);
void check_mixture(const HeadMixture& mixture, const char* where);
// The cached entries that the options use, contiguous and in `type`. Throws for what kernels/token_divergence.h lists.
TeacherTopK checked_top_k(const TeacherTopK& teacher, const torch::Tensor& student, std::int64_t vocabulary,
                          torch::ScalarType type, const TokenDivergenceOptions& options, const char* where);

}  // namespace drystill::kernels
