#include "distiller/language/loss_terms.h"

#include <ATen/ops/ones_like.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>

#include "kernels/sampled_advantage.h"

namespace drystill::distiller {
namespace {

// Places of the M tokens in [N * L].
torch::Tensor places(std::span<const Sequence> sequences, std::int64_t length, torch::Device device) {
  std::vector<std::int64_t> places;
  for (std::int64_t row = 0; row < std::ssize(sequences); ++row) {
    for (std::int64_t t = 0; t < std::ssize(sequences[static_cast<std::size_t>(row)].completion); ++t) {
      places.push_back(row * length + t);
    }
  }
  return at::tensor(places, torch::kInt64).to(device);
}

std::int64_t longest_completion(std::span<const Sequence> sequences) {
  std::int64_t longest = 1;
  for (const Sequence& sequence : sequences) longest = std::max<std::int64_t>(longest, std::ssize(sequence.completion));
  return longest;
}

// The sampler's log-probabilities [M]; those a sequence does not know come from `own`.
torch::Tensor sampler_log_probs(std::span<const Sequence> sequences, const torch::Tensor& own) {
  torch::Tensor known = own.clone();
  std::int64_t begin = 0;
  for (const Sequence& sequence : sequences) {
    const std::int64_t length = std::ssize(sequence.completion);
    if (std::ssize(sequence.sampler_log_probabilities) == length) {
      known.narrow(0, begin, length).copy_(at::tensor(sequence.sampler_log_probabilities));
    }
    begin += length;
  }
  return known;
}

// p_student / p_sampler of every token, as the sampler said -> [M], like `like`.
torch::Tensor importance(std::span<const Sequence> sequences, const torch::Tensor& like) {
  torch::Tensor ratios = at::ones_like(like);
  std::int64_t begin = 0;
  for (const Sequence& sequence : sequences) {
    const std::int64_t length = std::ssize(sequence.completion);
    if (!sequence.importance.empty()) ratios.narrow(0, begin, length).copy_(at::tensor(sequence.importance));
    begin += length;
  }
  return ratios;
}

}  // namespace

kernels::FusedTokenDivergence cross_entropy(const kernels::HeadInput& head, const torch::Tensor& tokens,
                                            const torch::Tensor& weights, double normaliser) {
  const kernels::TeacherTopK certain{
      .ids = tokens.unsqueeze(1),
      .log_probabilities = at::zeros({tokens.size(0), 1}, tokens.options().dtype(torch::kFloat32))};
  kernels::TokenDivergenceOptions options;
  options.kind = kernels::TokenDivergenceKind::kCrossEntropy;
  options.support = kernels::TokenSupport::kTeacherTopK;
  options.k = 1;
  options.remainder = kernels::TokenRemainder::kDrop;
  return kernels::fused_token_divergence(head, certain, options, weights, {.normaliser = normaliser});
}

torch::Tensor policy_weights(const PredictedTokens& predicted, std::span<const Sequence> sequences,
                             const kernels::SampledAdvantageOptions& options) {
  torch::Tensor student, teacher;
  {
    const torch::NoGradGuard no_grad;
    const torch::Tensor ones = at::ones_like(predicted.tokens, torch::kFloat32);
    student = -cross_entropy(predicted.student, predicted.tokens, ones, 1).token_losses;
    teacher = -cross_entropy(predicted.teacher, predicted.tokens, ones, 1).token_losses;
  }
  const torch::Tensor sampler = to_rows(sampler_log_probs(sequences, student), sequences);
  const torch::Tensor mask = to_rows(at::ones_like(student), sequences);
  const torch::Tensor advantages = kernels::sampled_advantage(sampler, to_rows(teacher, sequences), mask, options);
  torch::Tensor log_probs = to_rows(student, sequences).requires_grad_();
  kernels::policy_loss(log_probs, sampler, advantages, mask, options).backward();
  // cross_entropy is of -log p. What another policy than the student sampled counts by its importance.
  return from_rows(-log_probs.grad(), sequences) * importance(sequences, student);
}

torch::Tensor to_rows(const torch::Tensor& values, std::span<const Sequence> sequences) {
  const std::int64_t length = longest_completion(sequences);
  torch::Tensor rows = at::zeros({std::ssize(sequences) * length}, values.options());
  rows.index_copy_(0, places(sequences, length, values.device()), values);
  return rows.view({std::ssize(sequences), length});
}

torch::Tensor from_rows(const torch::Tensor& rows, std::span<const Sequence> sequences) {
  return rows.reshape({-1}).index_select(0, places(sequences, rows.size(1), rows.device()));
}

}  // namespace drystill::distiller
