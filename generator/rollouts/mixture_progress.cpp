#include "generator/rollouts/mixture_progress.h"

#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include <algorithm>

namespace drystill::generator {

MixtureProgress::MixtureProgress(const language::ModelMixture& mixture,
                                 std::span<const std::vector<std::int64_t>> prompts, std::int64_t new_tokens,
                                 const language::KvPrefix* prefix)
    : mixture_(mixture) {
  std::size_t width = 1;
  for (const auto& prompt : prompts) width = std::max(width, prompt.size());
  const auto rows = static_cast<std::int64_t>(prompts.size());
  const auto columns = static_cast<std::int64_t>(width);
  batch_.ids = at::zeros({rows, columns}, torch::kInt64);
  batch_.mask = at::zeros({rows, columns}, torch::kBool);
  for (std::size_t row = 0; row < prompts.size(); ++row) {
    const std::size_t begin = (row + 1) * width - prompts[row].size();
    std::ranges::copy(prompts[row], batch_.ids.mutable_data_ptr<std::int64_t>() + begin);
    std::fill_n(batch_.mask.mutable_data_ptr<bool>() + begin, prompts[row].size(), true);
  }
  const std::int64_t before = prefix == nullptr ? 0 : prefix->length();
  for (const language::CausalLm* model : mixture.models) {
    caches_.emplace_back(model->options(), rows, before + columns + new_tokens, model->compute_dtype());
    if (prefix != nullptr) prefix->fill(caches_.back());
  }
}

torch::Tensor MixtureProgress::next_logits() {
  std::vector<torch::Tensor> logits;
  for (std::size_t i = 0; i < mixture_.models.size(); ++i) {
    const language::CausalLm& model = *mixture_.models[i];
    const torch::Tensor hidden = model.hidden(batch_, {.cache = &caches_[i]});
    logits.push_back(model.head(hidden.select(1, hidden.size(1) - 1)).to(torch::kFloat32));
  }
  return language::mixed_logits(logits, mixture_);
}

void MixtureProgress::append(const torch::Tensor& ids, const std::vector<std::int64_t>& rows) {
  batch_ = {.ids = ids.unsqueeze(1), .mask = {}, .positions = {}};
  if (std::ssize(rows) == ids.size(0) || rows.empty()) return;
  const torch::Tensor kept = at::tensor(rows);
  batch_.ids = batch_.ids.index_select(0, kept);
  for (language::KvCache& cache : caches_) cache.select_rows(kept);
}

}  // namespace drystill::generator
