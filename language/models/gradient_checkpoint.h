#pragma once

#include <torch/types.h>

#include <functional>
#include <vector>

namespace drystill::language {

// segment(x), without keeping what its backward pass needs: that is computed again when the gradient comes (Chen et al.
// 2016). `captured` names every tensor that `segment` uses beside x and whose gradient is wanted. Not differentiable
// twice.
torch::Tensor checkpointed(const std::function<torch::Tensor(const torch::Tensor&)>& segment, const torch::Tensor& x,
                           const std::vector<torch::Tensor>& captured);

}  // namespace drystill::language
