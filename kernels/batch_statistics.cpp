#include "kernels/batch_statistics.h"

#include <ATen/ops/full.h>
#include <c10/util/StringUtil.h>
#include <torch/csrc/autograd/custom_function.h>

#include "core/error.h"
#include "kernels/batch_statistics_parts.h"
#include "kernels/batch_statistics_reference.h"
#include "kernels/cpu/capability.h"
#include "kernels/second_order.h"

namespace drystill::kernels {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

bool fast_path(const torch::Tensor& input) {
  if (input.is_cuda()) return input.scalar_type() == torch::kFloat32 || input.scalar_type() == torch::kBFloat16;
  return input.is_cpu() && cpu::has_fast_path(input.scalar_type());
}

BatchStatistics statistics(const DenseInput& input) {
  return input.tensor.is_cuda() ? cuda::batch_statistics(input) : cpu::batch_statistics(input);
}

torch::Tensor channel_affine(const DenseInput& input, const torch::Tensor& center, const torch::Tensor& offset,
                             const torch::Tensor& slope, const torch::Tensor& scale) {
  const auto apply = input.tensor.is_cuda() ? cuda::channel_affine : cpu::channel_affine;
  return apply(input, center, offset, slope, scale);
}

struct BatchStatisticsFunction : torch::autograd::Function<BatchStatisticsFunction> {
  static variable_list forward(AutogradContext* context, const torch::Tensor& input) {
    const BatchStatistics batch = statistics(dense_input(input));
    context->save_for_backward({input, batch.mean});
    return {batch.mean, batch.variance};
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    refuse_second_order("kernels.batch_statistics");
    const auto saved = context->get_saved_variables();
    const DenseInput input = dense_input(saved[0]);
    const torch::Tensor& mean = saved[1];
    const double count = static_cast<double>(input.layout.values_per_channel());
    const auto or_zeros = [&](const torch::Tensor& g) { return g.defined() ? g : at::zeros_like(mean); };
    return {channel_affine(input, mean, or_zeros(gradients[0]) / count, or_zeros(gradients[1]) * (2 / count),
                           at::ones({}, mean.options()))};
  }
};

struct BatchNormDistanceFunction : torch::autograd::Function<BatchNormDistanceFunction> {
  static torch::Tensor forward(AutogradContext* context, const torch::Tensor& input, const torch::Tensor& running_mean,
                               const torch::Tensor& running_variance) {
    const DenseInput dense = dense_input(input);
    const BatchStatistics batch = statistics(dense);
    const auto terms_of = input.is_cuda() ? cuda::distance_terms : cpu::distance_terms;
    const DistanceTerms terms = terms_of(batch, running_mean, running_variance, dense.layout.values_per_channel());
    context->save_for_backward({input, batch.mean, terms.offset, terms.slope});
    return terms.distance;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    refuse_second_order("kernels.batch_norm_distance");
    const auto saved = context->get_saved_variables();
    return {channel_affine(dense_input(saved[0]), saved[1], saved[2], saved[3], gradients[0]), {}, {}};
  }
};

void check_running(const torch::Tensor& running, const torch::Tensor& input, const char* name) {
  constexpr const char* kWhere = "[kernels.batch_norm_distance] ";
  if (!running.defined() || running.dim() != 1 || running.size(0) != input.size(1) || !running.is_floating_point()) {
    throw InputError(c10::str(kWhere, "expected ", name, " of shape [", input.size(1), "] like the channels of input ",
                              input.sizes(), ", got ",
                              running.defined() ? c10::str(running.sizes()) : "an undefined tensor"));
  }
  if (running.device() != input.device()) {
    throw InputError(
        c10::str(kWhere, "expected ", name, " on ", input.device(), " like the input, got ", running.device()));
  }
  if (running.requires_grad()) {
    throw InputError(c10::str(kWhere, "expected ", name, " without gradient (it is a constant here); detach it"));
  }
}

}  // namespace

BatchStatistics batch_statistics(const torch::Tensor& input) {
  check_channel_input(input, "kernels.batch_statistics");
  if (!fast_path(input)) return batch_statistics_reference(input);
  // Without a gradient to come, a graph node would cost as much as reading 100 KB.
  if (!at::GradMode::is_enabled() || !input.requires_grad()) return statistics(dense_input(input));
  const variable_list results = BatchStatisticsFunction::apply(input);
  return {results[0], results[1]};
}

torch::Tensor batch_norm_distance(const torch::Tensor& input, const torch::Tensor& running_mean,
                                  const torch::Tensor& running_variance) {
  check_channel_input(input, "kernels.batch_norm_distance");
  check_running(running_mean, input, "running_mean");
  check_running(running_variance, input, "running_variance");
  if (!fast_path(input)) return batch_norm_distance_reference(input, running_mean, running_variance);
  return BatchNormDistanceFunction::apply(input, running_mean.to(torch::kFloat32),
                                          running_variance.to(torch::kFloat32));
}

}  // namespace drystill::kernels
