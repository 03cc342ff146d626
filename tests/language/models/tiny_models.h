#pragma once

#include <ATen/ATen.h>

#include <filesystem>
#include <map>
#include <memory>
#include <string>

#include "io/safetensors.h"
#include "language/models/causal_lm.h"
#include "language/models/causal_lm_folder.h"

namespace drystill::language::testing {

inline std::filesystem::path golden_folder(const std::string& name) {
  return std::filesystem::path(DRYSTILL_GOLDEN_DIR) / "language" / name;
}

inline std::map<std::string, torch::Tensor> golden_values(const std::string& name) {
  return io::read_safetensors(golden_folder(name) / "expected.safetensors").tensors;
}

inline std::shared_ptr<CausalLm> golden_model(const std::string& name, torch::ScalarType dtype = torch::kFloat32) {
  return load_causal_lm(golden_folder(name), dtype);
}

inline double max_difference(const torch::Tensor& a, const torch::Tensor& b) {
  return (a.to(torch::kFloat64) - b.to(torch::kFloat64)).abs().max().item<double>();
}

// bool [lengths, width], true at the first lengths[i] places of row i.
inline torch::Tensor right_mask(const torch::Tensor& lengths, std::int64_t width) {
  return at::arange(width).unsqueeze(0) < lengths.unsqueeze(1);
}

// Mean cross entropy of the next token.
inline torch::Tensor next_token_loss(const torch::Tensor& logits, const torch::Tensor& ids) {
  const auto vocabulary = logits.size(-1), width = ids.size(1);
  return at::cross_entropy_loss(logits.narrow(1, 0, width - 1).reshape({-1, vocabulary}),
                                ids.narrow(1, 1, width - 1).reshape({-1}));
}

}  // namespace drystill::language::testing
