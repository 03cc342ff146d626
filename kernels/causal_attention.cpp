#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/ops/bmm.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <torch/csrc/autograd/custom_function.h>

#include <cmath>
#include <vector>

#include "core/device.h"
#include "kernels/cpu/capability.h"
#include "kernels/cpu/transformer_vec.h"
#include "kernels/second_order.h"
#include "kernels/transformer_layers.h"

namespace drystill::kernels {
namespace {

constexpr std::int64_t kRowsPerThread = 64;
// Probabilities are kept for the backward pass: beyond this many (32 MB) tiles that compute them again are better.
constexpr std::int64_t kMaxProbabilities = 1 << 24;

// [N, T, heads, head_dim] -> [N kv_heads, heads / kv_heads T, head_dim]: the queries that share a key in one matrix.
torch::Tensor group(const torch::Tensor& x, std::int64_t kv_heads) {
  const auto n = x.size(0), t = x.size(1), heads = x.size(2), width = x.size(3);
  return x.reshape({n, t, kv_heads, heads / kv_heads, width})
      .permute({0, 2, 3, 1, 4})
      .reshape({n * kv_heads, heads / kv_heads * t, width});
}

// The way back.
torch::Tensor ungroup(const torch::Tensor& x, std::int64_t kv_heads, std::int64_t t) {
  const auto n = x.size(0) / kv_heads, shared = x.size(1) / t, width = x.size(2);
  return x.view({n, kv_heads, shared, t, width}).permute({0, 3, 1, 2, 4}).reshape({n, t, kv_heads * shared, width});
}

struct MatrixAttention : torch::autograd::Function<MatrixAttention> {
  static torch::Tensor forward(torch::autograd::AutogradContext* context, const torch::Tensor& query,
                               const torch::Tensor& key, const torch::Tensor& value) {
    const auto kv_heads = key.size(2), t = key.size(1);
    const auto q = group(query, kv_heads), k = group(key, kv_heads), v = group(value, kv_heads);
    auto scores = at::bmm(q, k.transpose(1, 2));  // [N kv_heads, shared T, T]
    const float scale = 1 / std::sqrt(static_cast<float>(query.size(3)));
    auto* data = scores.mutable_data_ptr<c10::BFloat16>();
    at::parallel_for(0, scores.numel() / t, kRowsPerThread, [&](std::int64_t begin, std::int64_t end) {
      std::vector<float> scratch(static_cast<std::size_t>(t + 16));
      cpu::causal_softmax_rows(data, t, scale, begin, end, scratch.data());
    });
    context->save_for_backward({q, k, v, scores});
    context->saved_data["kv_heads"] = kv_heads;
    return ungroup(at::bmm(scores, v), kv_heads, t);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    refuse_second_order("kernels.causal_attention");
    const auto saved = context->get_saved_variables();
    const auto &q = saved[0], &k = saved[1], &v = saved[2], &probabilities = saved[3];
    const auto kv_heads = context->saved_data["kv_heads"].toInt();
    const auto t = k.size(1);
    const auto gradient = group(gradients[0], kv_heads);
    auto to_scores = at::bmm(gradient, v.transpose(1, 2));
    const float scale = 1 / std::sqrt(static_cast<float>(q.size(2)));
    const auto* p = probabilities.const_data_ptr<c10::BFloat16>();
    auto* g = to_scores.mutable_data_ptr<c10::BFloat16>();
    at::parallel_for(0, to_scores.numel() / t, kRowsPerThread, [&](std::int64_t begin, std::int64_t end) {
      cpu::causal_softmax_backward_rows(p, g, t, scale, begin, end);
    });
    return {ungroup(at::bmm(to_scores, k), kv_heads, t), ungroup(at::bmm(to_scores.transpose(1, 2), q), kv_heads, t),
            ungroup(at::bmm(probabilities.transpose(1, 2), gradient), kv_heads, t)};
  }
};

bool is_for_matrices(const torch::Tensor& query, const torch::Tensor& key) {
  const auto t = query.size(1);
  return query.is_cpu() && query.scalar_type() == torch::kBFloat16 && key.size(1) == t && t >= 16 &&
         query.size(0) * query.size(2) * t * t <= kMaxProbabilities && cpu::has_fast_path(torch::kBFloat16) &&
         at::globalContext().userEnabledMkldnn() && at::Context::hasMKLDNN() && has_fast_bfloat16(query.device());
}

}  // namespace

torch::Tensor causal_attention(const torch::Tensor& query, const torch::Tensor& key, const torch::Tensor& value) {
  if (is_for_matrices(query, key)) return MatrixAttention::apply(query, key, value);
  const bool grouped = query.size(2) != key.size(2);  // heads share keys in place, without copies of them
  return at::scaled_dot_product_attention(query.transpose(1, 2), key.transpose(1, 2), value.transpose(1, 2),
                                          std::nullopt, /*dropout_p=*/0.0, /*is_causal=*/query.size(1) > 1,
                                          /*scale=*/std::nullopt, grouped)
      .transpose(1, 2);
}

}  // namespace drystill::kernels
