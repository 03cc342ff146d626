#include "distiller/language/loss_terms.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/logsumexp.h>
#include <ATen/ops/nonzero.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "kernels/batch_statistics.h"
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

kernels::FusedTokenDivergence divergence(const PredictedTokens& predicted,
                                         const kernels::TokenDivergenceOptions& options, const torch::Tensor& weights,
                                         double normaliser) {
  const kernels::FusedTokenDivergenceOptions fused{.normaliser = normaliser};
  if (predicted.top_k.ids.defined()) {
    return kernels::fused_token_divergence(predicted.student, predicted.top_k, options, weights, fused);
  }
  return kernels::fused_token_divergence(predicted.student, predicted.teacher.head, options, weights, fused);
}

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

torch::Tensor token_log_probs(const kernels::HeadMixture& mixture, const torch::Tensor& tokens) {
  const torch::NoGradGuard no_grad;
  const torch::Tensor ones = at::ones_like(tokens, torch::kFloat32);
  const double total = std::accumulate(mixture.shares.begin(), mixture.shares.end(), 0.0);
  std::vector<torch::Tensor> members;
  for (std::size_t i = 0; i < mixture.heads.size(); ++i) {
    const torch::Tensor log_probs = -cross_entropy(mixture.heads[i], tokens, ones, 1).token_losses;
    members.push_back(log_probs + std::log(mixture.shares[i] / total));
  }
  return members.size() == 1 ? members.front() : at::logsumexp(at::stack(members), 0);
}

bool know_sampler(std::span<const Sequence> sequences) {
  return std::ranges::all_of(sequences, [](const Sequence& sequence) {
    return sequence.sampler_log_probabilities.size() == sequence.completion.size();
  });
}

namespace {

// Those of the first of `lists` that a sequence has, else its part of `own`.
torch::Tensor known_log_probs(std::span<const Sequence> sequences, const torch::Tensor& own,
                              std::initializer_list<std::vector<float> Sequence::*> lists) {
  std::vector<torch::Tensor> parts;
  std::int64_t begin = 0;
  for (const Sequence& sequence : sequences) {
    const std::int64_t length = std::ssize(sequence.completion);
    const auto* list = std::ranges::find_if(lists, [&](auto each) { return std::ssize(sequence.*each) == length; });
    parts.push_back(list != lists.end() ? at::tensor(sequence.**list, torch::kFloat32)
                                        : own.narrow(0, begin, length).to(torch::kCPU));
    begin += length;
  }
  return at::cat(parts);
}

}  // namespace

torch::Tensor sampler_log_probs(std::span<const Sequence> sequences, const torch::Tensor& own) {
  return known_log_probs(sequences, own, {&Sequence::sampler_log_probabilities});
}

torch::Tensor author_log_probs(std::span<const Sequence> sequences, const torch::Tensor& own) {
  return known_log_probs(sequences, own, {&Sequence::own_log_probabilities, &Sequence::sampler_log_probabilities});
}

torch::Tensor clipped_importance(const torch::Tensor& student, std::span<const Sequence> sequences, double clip) {
  const torch::Tensor sampler = sampler_log_probs(sequences, student).to(student.device());
  return ((student - sampler).clamp(-20, 20).exp() * importance(sequences, student)).clamp_max(clip);
}

namespace {

// [N, L], 1 for tokens from the first one on that the sampler chose. Those before it were taken greedily, with a
// probability of 1: no choice of the policy, and no reason to change it.
torch::Tensor chosen(const torch::Tensor& sampler, std::span<const Sequence> sequences) {
  const torch::Tensor begun = to_rows(sampler, sequences).lt(0).cumsum(1).gt(0);
  return to_rows(at::ones_like(sampler), sequences) * begun;
}

}  // namespace

torch::Tensor advantages(const torch::Tensor& sampler, const torch::Tensor& author, const torch::Tensor& teacher,
                         std::span<const Sequence> sequences, const kernels::SampledAdvantageOptions& options) {
  const torch::Tensor drawn_with = sampler.to(teacher.device());
  return from_rows(kernels::sampled_advantage(to_rows(author.to(teacher.device()), sequences),
                                              to_rows(teacher, sequences), chosen(drawn_with, sequences), options),
                   sequences);
}

torch::Tensor policy_weights(const torch::Tensor& student, const torch::Tensor& sampler,
                             const torch::Tensor& advantages, std::span<const Sequence> sequences,
                             const kernels::SampledAdvantageOptions& options) {
  const torch::Tensor drawn_with = sampler.to(student.device());
  torch::Tensor log_probs = to_rows(student, sequences).requires_grad_();
  kernels::policy_loss(log_probs, to_rows(drawn_with, sequences), to_rows(advantages, sequences),
                       chosen(drawn_with, sequences), options)
      .backward();
  // cross_entropy is of -log p. What another policy than the student sampled counts by its importance.
  return from_rows(-log_probs.grad(), sequences) * importance(sequences, student);
}

torch::Tensor hidden_statistics(std::span<const torch::Tensor> student, std::span<const torch::Tensor> teacher,
                                bool shared_vocabulary, const torch::Tensor& weights) {
  const torch::Tensor counted = at::nonzero(weights).squeeze(1);
  if (counted.size(0) == 0) return {};
  const auto rows = [&](const torch::Tensor& states) {
    return counted.size(0) == states.size(0) ? states : states.index_select(0, counted);
  };
  torch::Tensor sum;
  for (std::size_t i = 0; i < student.size(); ++i) {
    const auto wanted = kernels::batch_statistics(shared_vocabulary ? rows(teacher[i]) : teacher[i]);
    const torch::Tensor distance = kernels::batch_norm_distance(rows(student[i]), wanted.mean, wanted.variance);
    sum = sum.defined() ? sum + distance : distance;
  }
  return sum / static_cast<double>(student.size());
}

torch::Tensor hidden_states(std::span<const torch::Tensor> student, std::span<const torch::Tensor> teacher,
                            const torch::Tensor& weights, double normaliser) {
  torch::Tensor sum;
  for (std::size_t i = 0; i < student.size(); ++i) {
    const torch::Tensor wanted = teacher[i].to(torch::kFloat32);
    const torch::Tensor scale = weights / wanted.square().sum(1).clamp_min(std::numeric_limits<float>::min());
    const torch::Tensor distance = ((student[i].to(torch::kFloat32) - wanted).square().sum(1) * scale).sum();
    sum = sum.defined() ? sum + distance : distance;
  }
  return sum / (normaliser * static_cast<double>(student.size()));
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
