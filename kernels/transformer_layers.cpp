#include "kernels/transformer_layers.h"

#include <ATen/Parallel.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>

#include "kernels/cpu/capability.h"
#include "kernels/cpu/transformer_vec.h"
#include "kernels/second_order.h"

namespace drystill::kernels {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr std::int64_t kEntriesPerThread = 1 << 14;

bool is_fused(const torch::Tensor& x) {
  return x.is_cpu() && x.numel() > 0 && cpu::has_fast_path(x.scalar_type());
}

std::int64_t row_grain(std::int64_t width) {
  return std::max<std::int64_t>(1, kEntriesPerThread / width);
}

// Calls function(Scalar()) with the element type of a tensor that is_fused.
template <class Function>
void for_type(const torch::Tensor& x, const Function& function) {
  if (x.scalar_type() == torch::kBFloat16) {
    function(c10::BFloat16());
  } else {
    function(float());
  }
}

struct RmsNormFunction : torch::autograd::Function<RmsNormFunction> {
  static torch::Tensor forward(AutogradContext* context, const torch::Tensor& given, const torch::Tensor& weight,
                               double epsilon) {
    const auto x = given.contiguous(), w = weight.contiguous();
    const std::int64_t width = x.size(-1), rows = x.numel() / width;
    auto y = at::empty_like(x);
    auto inverse = at::empty({rows}, x.options().dtype(torch::kFloat32));
    for_type(x, [&](auto zero) {
      using Scalar = decltype(zero);
      const auto *from = x.const_data_ptr<Scalar>(), *scale = w.const_data_ptr<Scalar>();
      auto* to = y.mutable_data_ptr<Scalar>();
      auto* kept = inverse.mutable_data_ptr<float>();
      at::parallel_for(0, rows, row_grain(width), [&](std::int64_t begin, std::int64_t end) {
        cpu::rms_norm_rows(from, scale, to, kept, width, static_cast<float>(epsilon), begin, end);
      });
    });
    context->save_for_backward({x, w, inverse});
    return y;
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    refuse_second_order("kernels.rms_norm");
    const auto saved = context->get_saved_variables();
    const auto &x = saved[0], &w = saved[1], &inverse = saved[2];
    const auto gradient = gradients[0].contiguous();
    const std::int64_t width = x.size(-1), rows = x.numel() / width;
    const bool wants_x = context->needs_input_grad(0), wants_weight = context->needs_input_grad(1);
    auto to_x = wants_x ? at::empty_like(x) : torch::Tensor();
    // A sum of its own for each chunk, added up in a fixed order: the same number of threads gives the same bits.
    const std::int64_t chunks = std::clamp<std::int64_t>(rows / row_grain(width), 1, at::get_num_threads());
    auto sums = wants_weight ? at::zeros({chunks, width}, inverse.options()) : torch::Tensor();
    for_type(x, [&](auto zero) {
      using Scalar = decltype(zero);
      const auto *g = gradient.const_data_ptr<Scalar>(), *from = x.const_data_ptr<Scalar>();
      const auto* scale = w.const_data_ptr<Scalar>();
      auto* to = wants_x ? to_x.template mutable_data_ptr<Scalar>() : nullptr;
      auto* sum = wants_weight ? sums.template mutable_data_ptr<float>() : nullptr;
      const auto* kept = inverse.const_data_ptr<float>();
      at::parallel_for(0, chunks, 1, [&](std::int64_t first, std::int64_t last) {
        for (std::int64_t c = first; c < last; ++c) {
          cpu::rms_norm_backward_rows(g, from, scale, kept, to, sum == nullptr ? nullptr : sum + c * width, width,
                                      c * rows / chunks, (c + 1) * rows / chunks);
        }
      });
    });
    return {to_x, wants_weight ? sums.sum(0).to(w.scalar_type()) : torch::Tensor(), {}};
  }
};

struct SiluProductFunction : torch::autograd::Function<SiluProductFunction> {
  static torch::Tensor forward(AutogradContext* context, const torch::Tensor& given_gate,
                               const torch::Tensor& given_up) {
    const auto gate = given_gate.contiguous(), up = given_up.contiguous();
    auto y = at::empty_like(gate);
    for_type(gate, [&](auto zero) {
      using Scalar = decltype(zero);
      const auto *a = gate.const_data_ptr<Scalar>(), *b = up.const_data_ptr<Scalar>();
      auto* to = y.mutable_data_ptr<Scalar>();
      at::parallel_for(0, gate.numel(), kEntriesPerThread,
                       [&](std::int64_t begin, std::int64_t end) { cpu::silu_product(a, b, to, begin, end); });
    });
    context->save_for_backward({gate, up});
    return y;
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    refuse_second_order("kernels.silu_product");
    const auto saved = context->get_saved_variables();
    const auto &gate = saved[0], &up = saved[1];
    const auto gradient = gradients[0].contiguous();
    auto to_gate = at::empty_like(gate), to_up = at::empty_like(up);
    for_type(gate, [&](auto zero) {
      using Scalar = decltype(zero);
      const auto *g = gradient.const_data_ptr<Scalar>(), *a = gate.const_data_ptr<Scalar>();
      const auto* b = up.const_data_ptr<Scalar>();
      auto *first = to_gate.mutable_data_ptr<Scalar>(), *second = to_up.mutable_data_ptr<Scalar>();
      at::parallel_for(0, gate.numel(), kEntriesPerThread, [&](std::int64_t begin, std::int64_t end) {
        cpu::silu_product_backward(g, a, b, first, second, begin, end);
      });
    });
    return {to_gate, to_up};
  }
};

torch::Tensor rotated(const torch::Tensor& given, const torch::Tensor& cosine, const torch::Tensor& sine,
                      float direction) {
  const auto x = given.contiguous();
  auto y = at::empty_like(x);
  const std::int64_t heads = x.size(2), head_dim = x.size(3), rows = x.size(0) * x.size(1);
  const std::int64_t positions = cosine.size(0) * cosine.size(1);
  for_type(x, [&](auto zero) {
    using Scalar = decltype(zero);
    const auto* from = x.const_data_ptr<Scalar>();
    auto* to = y.mutable_data_ptr<Scalar>();
    const auto *c = cosine.const_data_ptr<float>(), *s = sine.const_data_ptr<float>();
    at::parallel_for(0, rows, row_grain(heads * head_dim), [&](std::int64_t begin, std::int64_t end) {
      cpu::rotate_rows(from, c, s, to, positions, heads, head_dim, direction, begin, end);
    });
  });
  return y;
}

struct RotateFunction : torch::autograd::Function<RotateFunction> {
  static torch::Tensor forward(AutogradContext* context, const torch::Tensor& x, const torch::Tensor& cosine,
                               const torch::Tensor& sine) {
    context->save_for_backward({cosine, sine});
    return rotated(x, cosine, sine, 1);
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    refuse_second_order("kernels.rotate_halves");
    const auto saved = context->get_saved_variables();
    return {rotated(gradients[0], saved[0], saved[1], -1), {}, {}};
  }
};

}  // namespace

torch::Tensor rms_norm(const torch::Tensor& x, const torch::Tensor& weight, double epsilon) {
  if (is_fused(x) && weight.scalar_type() == x.scalar_type()) return RmsNormFunction::apply(x, weight, epsilon);
  const auto wide = x.scalar_type() == torch::kFloat64 ? x : x.to(torch::kFloat32);
  const auto inverse = wide.square().mean(-1, /*keepdim=*/true).add(epsilon).rsqrt();
  return (wide * inverse).to(x.scalar_type()) * weight;
}

torch::Tensor silu_product(const torch::Tensor& gate, const torch::Tensor& up) {
  if (is_fused(gate) && gate.scalar_type() == up.scalar_type()) return SiluProductFunction::apply(gate, up);
  return at::silu(gate) * up;
}

torch::Tensor rotate_halves(const torch::Tensor& x, const torch::Tensor& cosine, const torch::Tensor& sine) {
  if (is_fused(x)) return RotateFunction::apply(x, cosine.contiguous(), sine.contiguous());
  const auto half = x.size(-1) / 2;
  const auto first = x.narrow(-1, 0, half), second = x.narrow(-1, half, half);
  const auto c = cosine.to(x.scalar_type()), s = sine.to(x.scalar_type());
  return at::cat({first * c - second * s, second * c + first * s}, -1);
}

}  // namespace drystill::kernels
