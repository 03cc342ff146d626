#include "distiller/evaluator.h"

#include <cmath>
#include <numbers>

namespace drystill::distiller {
namespace {

double mean_loyalty(const torch::Tensor& teacher, const torch::Tensor& student) {
  const auto log_p = teacher.to(torch::kFloat64).log_softmax(1), log_q = student.to(torch::kFloat64).log_softmax(1);
  const auto p = log_p.exp(), q = log_q.exp();
  const auto log_m = (0.5 * (p + q)).log();
  // 0 log 0 = 0; a model whose answers are no numbers has no loyalty either.
  const auto term = [&](const torch::Tensor& x, const torch::Tensor& log_x) {
    return (x * (log_x - log_m)).masked_fill(x.eq(0), 0);
  };
  const auto divergence = 0.5 * (term(p, log_p) + term(q, log_q)).sum(1) / std::numbers::ln2;
  return 1 - divergence.clamp(0, 1).sqrt().mean().item<double>();
}

}  // namespace

Metrics Evaluation::metrics() const {
  Metrics metrics = {{"accuracy", accuracy}};
  if (has_teacher) {
    metrics.emplace_back("teacher_accuracy", teacher_accuracy);
    metrics.emplace_back("agreement", agreement);
    metrics.emplace_back("loyalty", loyalty);
  }
  return metrics;
}

Evaluator::Evaluator(std::shared_ptr<const vision::ImageSource> test, const vision::ImageSpec& image,
                     torch::Device device, std::int64_t batch)
    : test_(std::move(test)), normalise_(image, device), device_(device), batch_(batch) {}

torch::Tensor Evaluator::logits(vision::Classifier& model) {
  torch::NoGradGuard no_grad;
  const bool was_training = model.is_training();
  model.eval();
  std::vector<torch::Tensor> outputs, labels;
  const auto stream = test_->in_order(batch_);
  while (const auto batch = stream->next()) {
    const auto images = normalise_(vision::to_unit(batch->images.to(device_)));
    outputs.push_back(model.forward(images).logits.to(torch::kCPU, torch::kFloat32));
    labels.push_back(batch->labels);
  }
  model.train(was_training);
  labels_ = torch::cat(labels);
  return torch::cat(outputs);
}

Evaluation Evaluator::evaluate(vision::Classifier& student, vision::Classifier* teacher) {
  Evaluation result;
  result.images = test_->size();
  const auto student_logits = logits(student);
  const auto student_class = student_logits.argmax(1);
  result.accuracy = student_class.eq(labels_).to(torch::kFloat64).mean().item<double>();
  if (teacher != nullptr) {
    if (!teacher_logits_.defined()) teacher_logits_ = logits(*teacher);
    const auto teacher_class = teacher_logits_.argmax(1);
    result.has_teacher = true;
    result.teacher_accuracy = teacher_class.eq(labels_).to(torch::kFloat64).mean().item<double>();
    result.agreement = student_class.eq(teacher_class).to(torch::kFloat64).mean().item<double>();
    result.loyalty = mean_loyalty(teacher_logits_, student_logits);
  }
  return result;
}

}  // namespace drystill::distiller
