#include "distiller/language/aggregation.h"

#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include <algorithm>

namespace drystill::distiller {

std::int64_t counted(const Sequence& sequence, const LanguageLossOptions& loss) {
  return std::max<std::int64_t>(0, std::ssize(sequence.completion) - loss.skip_first);
}

double normaliser(std::span<const Sequence> sequences, const LanguageLossOptions& loss, std::int64_t longest) {
  double total = 0;
  for (const Sequence& sequence : sequences) {
    switch (loss.aggregation) {
      case Aggregation::kTokenMean:
        total += static_cast<double>(counted(sequence, loss));
        break;
      case Aggregation::kSequenceMean:
        total += counted(sequence, loss) > 0 ? 1 : 0;
        break;
      case Aggregation::kConstantLength:
        total += static_cast<double>(longest);
        break;
    }
  }
  return total;
}

torch::Tensor token_weights(std::span<const Sequence> sequences, const LanguageLossOptions& loss) {
  std::vector<float> weights;
  for (const Sequence& sequence : sequences) {
    const auto tokens = static_cast<double>(counted(sequence, loss));
    double weight = sequence.weight;
    if (loss.aggregation == Aggregation::kSequenceMean && tokens > 0) weight /= tokens;
    for (std::int64_t t = 0; t < std::ssize(sequence.completion); ++t) {
      weights.push_back(t < loss.skip_first ? 0 : static_cast<float>(weight));
    }
  }
  return at::tensor(weights, torch::kFloat32);
}

torch::Tensor spread(const torch::Tensor& values, std::span<const Sequence> sequences) {
  std::vector<std::int64_t> owner;
  for (std::int64_t i = 0; i < std::ssize(sequences); ++i) {
    owner.insert(owner.end(), sequences[static_cast<std::size_t>(i)].completion.size(), i);
  }
  return values.index_select(0, at::tensor(owner, torch::kInt64).to(values.device()));
}

torch::Tensor sequence_means(const torch::Tensor& token_losses, std::span<const Sequence> sequences,
                             const LanguageLossOptions& loss) {
  std::vector<torch::Tensor> means;
  std::int64_t begin = 0;
  for (const Sequence& sequence : sequences) {
    const std::int64_t tokens = counted(sequence, loss), length = std::ssize(sequence.completion);
    means.push_back(tokens > 0 ? token_losses.narrow(0, begin + length - tokens, tokens).mean()
                               : at::zeros({}, token_losses.options()));
    begin += length;
  }
  return at::stack(means);
}

}  // namespace drystill::distiller
