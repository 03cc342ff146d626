#include "language/sampling/writable_ids.h"

#include <ATen/ops/tensor.h>

#include <algorithm>
#include <vector>

namespace drystill::language {
namespace {

constexpr float kNothing = -std::numeric_limits<float>::infinity();

}  // namespace

WritableIds::WritableIds(const Tokenizer& tokenizer, std::int64_t words)
    : end_(std::min(words, tokenizer.vocab_size())) {
  std::vector<std::int64_t> holes;
  for (std::int64_t id = 0; id < end_; ++id) {
    if (!tokenizer.has_token(id)) holes.push_back(id);
  }
  if (!holes.empty()) holes_ = at::tensor(holes, torch::kInt64);
}

void WritableIds::restrict(torch::Tensor& logits) const {
  const std::int64_t words = logits.size(1);
  if (end_ < words) logits.narrow(1, end_, words - end_).fill_(kNothing);
  if (!holes_.defined()) return;
  const torch::Tensor known = words < end_ ? holes_.masked_select(holes_ < words) : holes_;
  logits.index_fill_(1, known, kNothing);
}

}  // namespace drystill::language
