#include "core/optimizer.h"

#include <ATen/ops/_foreach_add.h>
#include <ATen/ops/_fused_adam.h>
#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/_fused_sgd.h>

#include "core/error.h"

namespace drystill {

Optimizer::Optimizer(std::vector<torch::Tensor> parameters, const OptimizerOptions& options)
    : parameters_(std::move(parameters)), options_(options), learning_rate_(peak_learning_rate()) {
  const bool is_adam = std::holds_alternative<AdamOptions>(options_);
  // Without momentum the fused kernel refuses buffers.
  const auto* sgd = std::get_if<SgdOptions>(&options_);
  const bool has_first = sgd == nullptr || sgd->momentum > 0;
  for (const auto& parameter : parameters_) {
    if (has_first) first_.push_back(torch::zeros_like(parameter));
    if (is_adam) {
      second_.push_back(torch::zeros_like(parameter));
      counts_.push_back(torch::zeros({}, parameter.options().dtype(torch::kFloat32)));
    }
  }
}

double Optimizer::peak_learning_rate() const {
  return std::visit([](const auto& options) { return options.learning_rate; }, options_);
}

void Optimizer::zero_grad() {
  for (auto& parameter : parameters_) parameter.mutable_grad().reset();
}

void Optimizer::step() {
  torch::NoGradGuard no_grad;
  std::vector<torch::Tensor> parameters, gradients, first, second, counts;
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    const auto& gradient = parameters_[i].grad();
    if (!gradient.defined()) continue;
    parameters.push_back(parameters_[i]);
    // The fused kernels walk parameter and gradient in memory order: both must have the same strides.
    gradients.push_back(
        gradient.strides() == parameters_[i].strides() ? gradient : torch::empty_like(parameters_[i]).copy_(gradient));
    if (!first_.empty()) first.push_back(first_[i]);
    if (!second_.empty()) {
      second.push_back(second_[i]);
      counts.push_back(counts_[i]);
    }
  }
  if (parameters.empty()) return;

  if (const auto* sgd = std::get_if<SgdOptions>(&options_)) {
    // Momentum buffers start at zero, which equals PyTorch's "first step copies the gradient" when dampening is 0.
    at::_fused_sgd_(parameters, gradients, first, sgd->weight_decay, sgd->momentum, learning_rate_, /*dampening=*/0.0,
                    sgd->nesterov, /*maximize=*/false, /*is_first_step=*/false);
    return;
  }
  const auto& adam = std::get<AdamOptions>(options_);
  at::_foreach_add_(counts, 1);
  const auto update = [&](auto fused) {
    fused(parameters, gradients, first, second, /*max_exp_avg_sqs=*/std::vector<torch::Tensor>{}, counts,
          learning_rate_, adam.beta1, adam.beta2, adam.weight_decay, adam.epsilon, /*amsgrad=*/false,
          /*maximize=*/false, std::nullopt, std::nullopt);
  };
  if (adam.decoupled) {
    update([](auto&&... arguments) { at::_fused_adamw_(arguments...); });
  } else {
    update([](auto&&... arguments) { at::_fused_adam_(arguments...); });
  }
}

void Optimizer::save(StateWriter writer) const {
  writer.real("learning_rate", learning_rate_);
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    const std::string index = std::to_string(i);
    if (!first_.empty()) writer.tensor("first." + index, first_[i]);
    if (!second_.empty()) {
      writer.tensor("second." + index, second_[i]);
      writer.tensor("count." + index, counts_[i]);
    }
  }
}

void Optimizer::load(const StateReader& reader) {
  learning_rate_ = reader.real("learning_rate");
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    const std::string index = std::to_string(i);
    if (!first_.empty()) reader.copy_into("first." + index, first_[i]);
    if (!second_.empty()) {
      reader.copy_into("second." + index, second_[i]);
      reader.copy_into("count." + index, counts_[i]);
    }
  }
}

}  // namespace drystill
