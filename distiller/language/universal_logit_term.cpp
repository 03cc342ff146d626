#include <ATen/ops/cat.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>

#include "distiller/language/loss_terms.h"
#include "kernels/universal_logit.h"

namespace drystill::distiller {
namespace {

torch::Tensor at_places(const torch::Tensor& rows, const torch::Tensor& places) {
  return places.defined() ? rows.index_select(0, places) : rows;
}

torch::Tensor logits_of(const torch::Tensor& hidden, const torch::Tensor& weight) {
  return hidden.matmul(weight.to(hidden.scalar_type()).t());
}

// A scalar of value 0 whose gradient with respect to `tensor` is `gradient`.
torch::Tensor carrier(const torch::Tensor& tensor, const torch::Tensor& gradient) {
  const torch::Tensor linear = (tensor * gradient).sum();
  return linear - linear.detach();
}

// Distances of some rows at a time, and their gradients at once, so that the logits can go.
class ChunkedDistance {
 public:
  ChunkedDistance(const kernels::HeadInput& student, const kernels::HeadInput& teacher, const torch::Tensor& scales,
                  double temperature)
      : hidden_(student.hidden.detach()),
        teacher_(teacher),
        scales_(scales),
        temperature_(temperature),
        recording_(c10::GradMode::is_enabled() && student.hidden.requires_grad()),
        weight_(student.weight.detach().requires_grad_(recording_ && student.weight.requires_grad())) {
    constexpr std::int64_t kRows = 128;
    for (std::int64_t begin = 0; begin < hidden_.size(0); begin += kRows) {
      add(begin, std::min(kRows, hidden_.size(0) - begin));
    }
  }

  torch::Tensor distances() const { return at::cat(distances_); }  // [P]
  // Of sum of scales times distances; undefined where none is wanted.
  torch::Tensor hidden_gradient() const { return recording_ ? at::cat(hidden_gradients_) : torch::Tensor(); }
  const torch::Tensor& weight_gradient() const { return weight_gradient_; }

 private:
  void add(std::int64_t begin, std::int64_t count) {
    const torch::Tensor leaf = hidden_.narrow(0, begin, count).clone().requires_grad_(recording_);
    const torch::Tensor distance = kernels::universal_logit_distance(
        logits_of(leaf, weight_), logits_of(teacher_.hidden.narrow(0, begin, count), teacher_.weight), temperature_);
    distances_.push_back(distance.detach());
    if (!recording_) return;
    std::vector<torch::Tensor> leaves = {leaf};
    if (weight_.requires_grad()) leaves.push_back(weight_);
    const auto gradients = torch::autograd::grad({(distance * scales_.narrow(0, begin, count)).sum()}, leaves);
    hidden_gradients_.push_back(gradients[0]);
    if (gradients.size() == 1) return;
    weight_gradient_ = weight_gradient_.defined() ? weight_gradient_ + gradients[1] : gradients[1];
  }

  torch::Tensor hidden_;
  const kernels::HeadInput& teacher_;
  torch::Tensor scales_;
  double temperature_;
  bool recording_;
  torch::Tensor weight_, weight_gradient_;
  std::vector<torch::Tensor> distances_, hidden_gradients_;
};

}  // namespace

kernels::FusedTokenDivergence universal_logit(const PredictedTokens& predicted, const UniversalLogitOptions& options,
                                              const torch::Tensor& weights, double normaliser) {
  const kernels::HeadInput& head = predicted.teacher.head.heads.front();
  const kernels::HeadInput student{at_places(predicted.student.hidden, predicted.student_places),
                                   predicted.student.weight};
  const kernels::HeadInput teacher{at_places(head.hidden, predicted.teacher_places), head.weight};
  kernels::FusedTokenDivergence result;
  result.token_losses = at::zeros_like(weights);
  if (student.hidden.size(0) == 0) {
    result.loss = predicted.student.hidden.sum() * 0;
    return result;
  }
  const torch::Tensor scales = at_places(weights, predicted.student_places) / normaliser;
  const ChunkedDistance chunked(student, teacher, scales, options.temperature);
  const torch::Tensor distances = chunked.distances();
  if (predicted.student_places.defined()) {
    result.token_losses.index_copy_(0, predicted.student_places, distances);
  } else {
    result.token_losses.copy_(distances);
  }
  result.loss = (distances * scales).sum();
  const torch::Tensor of_hidden = chunked.hidden_gradient();
  if (of_hidden.defined()) result.loss = result.loss + carrier(student.hidden, of_hidden);
  if (chunked.weight_gradient().defined())
    result.loss = result.loss + carrier(student.weight, chunked.weight_gradient());
  return result;
}

}  // namespace drystill::distiller
