#pragma once

#include <torch/nn/module.h>
#include <torch/types.h>

#include <cstdint>
#include <memory>

#include "language/models/transformer_options.h"

// The layers of the transformers. Parameters carry the published names. Construction leaves them uninitialised.
//
// Layers compute in the dtype of their input; parameters keep their own: bfloat16 activations through float32 weights
// is mixed precision with master weights, with no autocast switch.

namespace drystill::language {

// A trainable low-rank correction of a weight: W + scale * b a (Hu et al. 2021, LoRA).
struct LowRank {
  torch::Tensor a;  // [rank, in]
  torch::Tensor b;  // [out, rank]
  double scale = 1;
};

// x W^T + bias, and where there is one, a low-rank branch beside the product.
class Linear : public torch::nn::Module {
 public:
  Linear(std::int64_t in, std::int64_t out, bool bias, const torch::TensorOptions& tensor_options);

  torch::Tensor forward(const torch::Tensor& x) const;  // [..., in] -> [..., out]

  void set_low_rank(std::shared_ptr<const LowRank> low_rank) { low_rank_ = std::move(low_rank); }  // null: none
  const std::shared_ptr<const LowRank>& low_rank() const { return low_rank_; }

  const torch::Tensor& weight() const { return weight_; }  // [out, in]
  const torch::Tensor& bias() const { return bias_; }      // [out], undefined where there is none
  std::int64_t in_features() const { return weight_.size(1); }
  std::int64_t out_features() const { return weight_.size(0); }

 private:
  torch::Tensor weight_;
  torch::Tensor bias_;
  std::shared_ptr<const LowRank> low_rank_;
};

class Embedding : public torch::nn::Module {
 public:
  Embedding(std::int64_t rows, std::int64_t width, const torch::TensorOptions& tensor_options);

  torch::Tensor forward(const torch::Tensor& ids) const;   // int64 [...] -> [..., width], in the weight's dtype
  const torch::Tensor& weight() const { return weight_; }  // [rows, width]

 private:
  torch::Tensor weight_;
};

// RMSNorm (Zhang and Sennrich 2019): x / sqrt(mean(x^2) + epsilon), then times the weight; or LayerNorm, which also
// takes the mean away and adds a bias. Statistics are float32 whatever the input is.
class Norm : public torch::nn::Module {
 public:
  Norm(NormKind kind, std::int64_t width, double epsilon, const torch::TensorOptions& tensor_options);

  torch::Tensor forward(const torch::Tensor& x) const;  // [..., width] -> same

 private:
  NormKind kind_;
  double epsilon_;
  torch::Tensor weight_;
  torch::Tensor bias_;
};

}  // namespace drystill::language
