#pragma once

#include <torch/types.h>

#include <vector>

#include "language/models/causal_lm.h"
#include "language/models/mixture_options.h"

namespace drystill::language {

// One or more models of one vocabulary (padding aside) that predict the next token together. It owns none of them.
struct ModelMixture {
  std::vector<const CausalLm*> models;
  std::vector<double> shares;  // above 0, one a model; their sum counts as 1
  MixtureMean mean = MixtureMean::kProbabilities;
};

ModelMixture alone(const CausalLm& model);

// The logits of the mixture, up to a constant a row: [..., V_i] of each model -> float32 [..., smallest V_i]. A single
// model's are returned as they are.
torch::Tensor mixed_logits(const std::vector<torch::Tensor>& logits, const ModelMixture& mixture);

}  // namespace drystill::language
