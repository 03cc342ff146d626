#include "distiller/language/packing.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/full.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include <algorithm>

namespace drystill::distiller {

namespace {

const std::vector<std::int64_t>& prompt_of(const Sequence& sequence, Side side) {
  return side == Side::kTeacher ? sequence.teacher_prompt : sequence.student_prompt;
}

const std::vector<std::int64_t>& completion_of(const Sequence& sequence, Side side) {
  const bool own = side == Side::kTeacher && !sequence.teacher_completion.empty();
  return own ? sequence.teacher_completion : sequence.completion;
}

}  // namespace

PackedView pack(std::span<const Sequence> sequences, Side side, torch::Device device) {
  const auto rows = static_cast<std::int64_t>(sequences.size());
  std::int64_t width = 1;
  for (const Sequence& sequence : sequences) {
    const std::int64_t length = std::ssize(prompt_of(sequence, side)) + std::ssize(completion_of(sequence, side)) - 1;
    width = std::max<std::int64_t>(width, length);
  }
  torch::Tensor ids = at::zeros({rows, width}, torch::kInt64), mask = at::zeros({rows, width}, torch::kBool);
  std::vector<std::int64_t> predictors;
  for (std::int64_t row = 0; row < rows; ++row) {
    const Sequence& sequence = sequences[static_cast<std::size_t>(row)];
    const auto &prompt = prompt_of(sequence, side), &completion = completion_of(sequence, side);
    auto* out = ids.mutable_data_ptr<std::int64_t>() + row * width;
    std::ranges::copy(prompt, out);
    if (!completion.empty()) std::copy(completion.begin(), completion.end() - 1, out + prompt.size());
    const std::int64_t length = std::ssize(prompt) + std::max<std::int64_t>(std::ssize(completion) - 1, 0);
    std::fill_n(mask.mutable_data_ptr<bool>() + row * width, length, true);
    for (std::int64_t t = 0; t < std::ssize(completion); ++t) {
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
