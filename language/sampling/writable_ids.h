#pragma once

#include <torch/types.h>

#include <cstdint>
#include <limits>

#include "language/tokenizer/tokenizer.h"

namespace drystill::language {

// The ids that a model may write. Embeddings are padded, to different sizes within one family: the rows behind the last
// token stand for nothing, and another model of the same tokenizer may not have them.
class WritableIds {
 public:
  WritableIds() = default;  // every id
  // Those below `words` that the tokenizer has a token for.
  explicit WritableIds(const Tokenizer& tokenizer, std::int64_t words = std::numeric_limits<std::int64_t>::max());

  // Logits [N, V] of all other ids become minus infinity, in place.
  void restrict(torch::Tensor& logits) const;

 private:
  std::int64_t end_ = std::numeric_limits<std::int64_t>::max();  // one more than the largest of them
  torch::Tensor holes_;                                          // int64 [K]: ids below without a token, or undefined
};

}  // namespace drystill::language
