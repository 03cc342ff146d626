#include "distiller/language/packing.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/full.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include <algorithm>

namespace drystill::distiller {

PackedView pack(std::span<const Sequence> sequences, Side side, torch::Device device) {
  const auto rows = static_cast<std::int64_t>(sequences.size());
  const auto prompt_of = [&](const Sequence& sequence) -> const std::vector<std::int64_t>& {
    return side == Side::kTeacher ? sequence.teacher_prompt : sequence.student_prompt;
  };
  std::int64_t width = 1;
  for (const Sequence& sequence : sequences) {
    width = std::max<std::int64_t>(width, std::ssize(prompt_of(sequence)) + std::ssize(sequence.completion) - 1);
  }
  torch::Tensor ids = at::zeros({rows, width}, torch::kInt64), mask = at::zeros({rows, width}, torch::kBool);
  std::vector<std::int64_t> predictors;
  for (std::int64_t row = 0; row < rows; ++row) {
    const Sequence& sequence = sequences[static_cast<std::size_t>(row)];
    const auto& prompt = prompt_of(sequence);
    auto* out = ids.mutable_data_ptr<std::int64_t>() + row * width;
    std::ranges::copy(prompt, out);
    if (!sequence.completion.empty()) {
      std::copy(sequence.completion.begin(), sequence.completion.end() - 1, out + prompt.size());
    }
    const std::int64_t length = std::ssize(prompt) + std::max<std::int64_t>(std::ssize(sequence.completion) - 1, 0);
    std::fill_n(mask.mutable_data_ptr<bool>() + row * width, length, true);
    for (std::int64_t t = 0; t < std::ssize(sequence.completion); ++t) {
      predictors.push_back(row * width + std::ssize(prompt) - 1 + t);
    }
  }
  const bool padded = !mask.all().item<bool>();
  return {.tokens = {.ids = ids.to(device), .mask = padded ? mask.to(device) : torch::Tensor(), .positions = {}},
          .predictors = at::tensor(predictors, torch::kInt64).to(device)};
}

torch::Tensor completion_tokens(std::span<const Sequence> sequences, torch::Device device) {
  std::vector<std::int64_t> tokens;
  for (const Sequence& sequence : sequences) {
    tokens.insert(tokens.end(), sequence.completion.begin(), sequence.completion.end());
  }
  return at::tensor(tokens, torch::kInt64).to(device);
}

torch::Tensor predicting_states(const torch::Tensor& hidden, const PackedView& view) {
  return hidden.reshape({-1, hidden.size(-1)}).index_select(0, view.predictors);
}

}  // namespace drystill::distiller
