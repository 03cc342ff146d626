#pragma once

#include <torch/types.h>

#include <vector>

#include "kernels/options.h"

// Divergences between next-token distributions, for the distillation of language models: on logits, and fused with the
// output head so that no [tokens, vocabulary] tensor is kept. Differentiable with respect to the student.
//
// p = softmax(student / T) and q = softmax(teacher / T), as buckets i with log-probabilities a_i = log p_i, b_i = log
// q_i:
//   full            every word
//   teacher_top_k   the k words with the largest q; student_top_k likewise; union_top_k both sets, each word once
//     renormalise   a, b shifted so that both sum to 1 over the support
//     tail          one more bucket log(-expm1(min(lse, -1e-7))), lse = log of the probability inside the support
//     drop          nothing
// The contribution of a bucket, and its derivative u_i = d c_i / d a_i:
//   forward_kl      q (b - a)                                        -q
//   cross_entropy   -q a                                             -q
//   reverse_kl      p (a - b)                                        p (a - b) + p
//   jensen_shannon  beta q (b - log m) + (1 - beta) p (a - log m)    (1 - beta) p (a - log m),  m = beta q + (1 - beta)
//   p total_variation |p - q| / 2                                      p sign(p - q) / 2
// The loss of a token is f sum_i min(c_i, entry_clip), at most token_clip, with f = T^2 if
// scale_by_temperature_squared. Its gradient with respect to student logit j is f / T (u_j - p_j sum u), u_j = 0
// outside the support; renormalise takes p renormalised, and tail adds -u_tail p_j / p_tail to u_j inside the support.
//
// Sources: Hinton, Vinyals, Dean 2015 (T, T^2); Agarwal et al. 2306.13649 (GKD: jensen_shannon, where beta 0 and 1
// stand for the two KLs as in TRL, so the scale jumps there); SDPO 2601.20802 (tail); Cartridges 2506.06266 (drop);
// OPSD 2601.18734 (entry_clip).
//
// -inf logits (masked words) are allowed. Bucket log-probabilities below -10,000 count as -10,000, without gradient.
namespace drystill::kernels {

// What a teacher left behind of its distributions: for every token, some words and their log-probabilities under the
// teacher's full softmax at temperature 1. An entry of -inf is absent (rows of different lengths).
struct TeacherTopK {
  torch::Tensor ids;                // [M, K] int64, each in [0, V), no word twice in a row
  torch::Tensor log_probabilities;  // [M, K] floating
};

// Loss of each token -> [M], float32 (float64 for float64 logits), times row_weights.
//
// student_logits, teacher_logits: [M, V] of one device; float32, bfloat16, float16 or float64. Arithmetic is float32,
// or float64 where the student is. The teacher is a constant: InputError if it requires a gradient (so do the weights).
// row_weights: [M] or undefined. Rows of weight 0 are not read: loss and gradient are exactly 0 whatever they hold.
// Throws InputError for shapes, types, devices or a V that differs; ConfigError for options out of range. k above V is
// V. The gradient of the gradient is refused (RunError).
torch::Tensor token_divergence(const torch::Tensor& student_logits, const torch::Tensor& teacher_logits,
                               const TokenDivergenceOptions& options, const torch::Tensor& row_weights = {});

// The same against a cached teacher. The support must be teacher_top_k: the k likeliest cached words (all of them if
// there are fewer). A temperature other than 1 needs `renormalise`, since a softmax at another temperature is unknown
// outside the cached words (ConfigError). Ids out of range or twice in a row, NaN, or a row whose probabilities sum to
// more than 1.01 are an InputError.
torch::Tensor token_divergence(const torch::Tensor& student_logits, const TeacherTopK& teacher,
                               const TokenDivergenceOptions& options, const torch::Tensor& row_weights = {});

// The last hidden states of some tokens and the matrix that turns them into logits: hidden weight^T.
struct HeadInput {
  torch::Tensor hidden;  // [M, H]
  torch::Tensor weight;  // [V, H]; cast to the type of `hidden`, in which the logits are computed
};

// Several teachers as one: q = sum_i share_i softmax(z_i / T), the mean of their probabilities (Hinton, Vinyals, Dean
// 1503.02531). Shares are above 0; their sum counts as 1.
struct HeadMixture {
  std::vector<HeadInput> heads;
  std::vector<double> shares;
};

// The head whose logits are sum_i share_i z_i: the states side by side, each times its share. softmax of that is the
// normalised geometric mean of the probabilities, at any temperature. InputError for heads that do not fit each other.
HeadInput mean_logits_head(const HeadMixture& mixture);

struct FusedTokenDivergenceOptions {
  double normaliser = 1;  // > 0: weighted tokens of the whole optimizer batch, over all micro-batches and processes
  bool metrics = false;   // also fill in token_kl and agreements
  std::int64_t chunk_rows = 0;  // tokens whose logits exist at once; 0: as many as 128 MiB of logits hold
};

struct FusedTokenDivergence {
  torch::Tensor loss;          // scalar: sum_m weight_m D_m / normaliser; the only part with a gradient
  torch::Tensor token_losses;  // [M] D_m, 0 where the weight is 0
  torch::Tensor token_kl;      // [M] KL(q || p) over all words, without clips and T^2; undefined for a cached teacher
  torch::Tensor agreements;    // scalar int64: tokens of weight not 0 whose likeliest word is the same
};

// token_divergence of `student.hidden student.weight^T`, weighted, summed and divided by the normaliser, without ever
// holding the logits of more than chunk_rows tokens. Loss and gradients (of hidden, and of weight where they require
// one) are computed chunk by chunk in the forward pass, as in Liger's fused linear distillation; backward only scales
// them. The gradient of the weight is summed in float32 (float64) whatever its type. Tokens of weight 0 are dropped
// first; if all are, the loss is 0 with a gradient of zeros. Hidden sizes and types of student and teacher may differ;
// V may not (slice the larger to the words both know). Any device; on CUDA the row arithmetic is composed of torch
// operators. Errors as above.
FusedTokenDivergence fused_token_divergence(const HeadInput& student, const HeadInput& teacher,
                                            const TokenDivergenceOptions& options,
                                            const torch::Tensor& row_weights = {},
                                            const FusedTokenDivergenceOptions& fused = {});
FusedTokenDivergence fused_token_divergence(const HeadInput& student, const HeadMixture& teacher,
                                            const TokenDivergenceOptions& options,
                                            const torch::Tensor& row_weights = {},
                                            const FusedTokenDivergenceOptions& fused = {});
FusedTokenDivergence fused_token_divergence(const HeadInput& student, const TeacherTopK& teacher,
                                            const TokenDivergenceOptions& options,
                                            const torch::Tensor& row_weights = {},
                                            const FusedTokenDivergenceOptions& fused = {});

}  // namespace drystill::kernels
