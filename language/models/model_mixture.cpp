#include "language/models/model_mixture.h"

#include <ATen/ops/logsumexp.h>
#include <ATen/ops/stack.h>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace drystill::language {

ModelMixture alone(const CausalLm& model) {
  return {.models = {&model}, .shares = {1}};
}

torch::Tensor mixed_logits(const std::vector<torch::Tensor>& logits, const ModelMixture& mixture) {
  if (logits.size() == 1) return logits.front();
  const double total = std::accumulate(mixture.shares.begin(), mixture.shares.end(), 0.0);
  std::int64_t words = logits.front().size(-1);
  for (const torch::Tensor& one : logits) words = std::min(words, one.size(-1));
  std::vector<torch::Tensor> terms;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    const double share = mixture.shares[i] / total;
    const torch::Tensor log_probs = logits[i].narrow(-1, 0, words).to(torch::kFloat32).log_softmax(-1);
    terms.push_back(mixture.mean == MixtureMean::kProbabilities ? log_probs + std::log(share) : log_probs * share);
  }
  const torch::Tensor all = at::stack(terms);
  return mixture.mean == MixtureMean::kProbabilities ? at::logsumexp(all, 0) : all.sum(0);
}

}  // namespace drystill::language
