#pragma once

#include <torch/types.h>

#include <string>
#include <vector>

#include "core/options.h"
#include "core/state.h"

namespace drystill {

// SGD or Adam(W) over a fixed list of parameters, by LibTorch's fused update kernels: one call a step instead of a
// dozen small operations a tensor. The state is plain tensors, so that it can be saved and restored exactly.
class Optimizer {
 public:
  Optimizer(std::vector<torch::Tensor> parameters, const OptimizerOptions& options);

  void zero_grad();
  // Parameters whose gradient is undefined are left as they are.
  void step();

  void set_learning_rate(double value) { learning_rate_ = value; }
  double learning_rate() const { return learning_rate_; }
  double peak_learning_rate() const;

  void save(StateWriter writer) const;
  void load(const StateReader& reader);

 private:
  std::vector<torch::Tensor> parameters_;
  OptimizerOptions options_;
  double learning_rate_;
  std::vector<torch::Tensor> first_;   // SGD: momentum buffers. Adam: first moments.
  std::vector<torch::Tensor> second_;  // Adam: second moments.
  std::vector<torch::Tensor> counts_;  // Adam: updates so far, one 0-d float tensor a parameter.
};

}  // namespace drystill
