#include "generator/rollouts/policy_gradient.h"

#include <ATen/ops/empty_like.h>
#include <ATen/ops/matmul.h>

#include <algorithm>

namespace drystill::generator {

PolicyGradient policy_gradient(const PolicyTokens& policy, const torch::Tensor& advantages,
                               const torch::Tensor& entropy_weights, std::int64_t chunk_rows) {
  const torch::NoGradGuard no_grad;
  const std::int64_t rows = policy.tokens.size(0), words = policy.weight.size(0);
  constexpr std::int64_t kChunkNumbers = (std::int64_t{64} << 20) / 4;
  if (chunk_rows <= 0) chunk_rows = std::max<std::int64_t>(1, kChunkNumbers / words);
  const torch::Tensor weight = policy.weight.to(policy.hidden.scalar_type());
  PolicyGradient result{.log_probabilities = at::empty_like(advantages),
                        .entropies = at::empty_like(advantages),
                        .hidden_gradient = at::empty_like(policy.hidden)};
  for (std::int64_t begin = 0; begin < rows; begin += chunk_rows) {
    const std::int64_t count = std::min(chunk_rows, rows - begin);
    const auto part = [&](const torch::Tensor& all) { return all.narrow(0, begin, count); };
    torch::Tensor logits = at::matmul(part(policy.hidden), weight.t()).to(torch::kFloat32);
    policy.writable.restrict(logits);
    const torch::Tensor log_p = (logits / policy.temperature).log_softmax(1);  // [chunk, V]
    const torch::Tensor p = log_p.exp();
    const torch::Tensor chosen = part(policy.tokens).unsqueeze(1);
    const torch::Tensor entropy = -(p * log_p.clamp_min(-1e4)).sum(1);
    const torch::Tensor a = part(advantages).unsqueeze(1), b = part(entropy_weights).unsqueeze(1);
    torch::Tensor gradient = p * (a + b * (log_p.clamp_min(-1e4) + entropy.unsqueeze(1)));
    gradient.scatter_add_(1, chosen, -a);
    part(result.log_probabilities).copy_(log_p.gather(1, chosen).squeeze(1));
    part(result.entropies).copy_(entropy);
    part(result.hidden_gradient)
        .copy_(at::matmul((gradient / policy.temperature).to(policy.hidden.scalar_type()), weight));
  }
  return result;
}

}  // namespace drystill::generator
