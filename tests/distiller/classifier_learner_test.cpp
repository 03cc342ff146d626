#include "distiller/classifier_learner.h"

#include <gtest/gtest.h>

#include <cmath>

#include "curriculum/sample_weights.h"
#include "tests/distiller/fakes.h"

namespace drystill::distiller {
namespace {

using testing::LinearClassifier;

class Learning : public ::testing::Test {
 protected:
  Batch batch(std::int64_t count = 6) {
    Batch result;
    result.inputs = torch::randn({count, 1, 32, 32}, seeds_.stream("inputs"), torch::TensorOptions());
    return result;
  }

  // The weight matrix after one plain SGD step on `loss`, by LibTorch's own autograd.
  static torch::Tensor after_sgd(const LinearClassifier& student,
                                 const std::function<torch::Tensor(torch::Tensor)>& loss, double learning_rate) {
    auto weight = student.weight.detach().clone().set_requires_grad(true);
    loss(weight).backward();
    return weight.detach() - learning_rate * weight.grad();
  }

  static torch::Tensor logits(const torch::Tensor& images, const torch::Tensor& weight) {
    return at::avg_pool2d(images, {8, 8}).flatten(1).matmul(weight.t());
  }

  ClassifierLearnerOptions options(LossKind kind) {
    return {.loss = {.kind = kind, .temperature = 4},
            .optimizer = SgdOptions{.learning_rate = 0.5, .momentum = 0, .weight_decay = 0},
            .schedule = {.kind = ScheduleKind::kConstant}};
  }

  SeedStreams seeds_{3};
  std::shared_ptr<LinearClassifier> student_ = std::make_shared<LinearClassifier>(seeds_.stream("student"));
  std::shared_ptr<LinearClassifier> teacher_ = [this] {
    auto teacher = std::make_shared<LinearClassifier>(seeds_.stream("teacher"));
    teacher->freeze();
    return teacher;
  }();
};

TEST_F(Learning, PerSampleStepFollowsThePapersFormula) {
  const auto data = batch();
  const curriculum::StagePlan plan{
      .easy_threshold = 3, .pacing = curriculum::Pacing::kSoft, .granularity = curriculum::Granularity::kPerSample};
  const auto target = logits(data.inputs, teacher_->weight);
  const auto expected = after_sgd(
      *student_,
      [&](const torch::Tensor& weight) {
        const auto losses = (logits(data.inputs, weight) - target).abs().mean(1);
        const auto v = (1 - losses.detach() / 3).clamp_min(0);
        return (v * losses).sum() / data.inputs.size(0);
      },
      0.5);
  ClassifierLearner learner(options(LossKind::kL1), student_, teacher_);
  const auto report = learner.step(data, plan);
  EXPECT_LT((student_->weight - expected).abs().max().item<double>(), 1e-5);
  EXPECT_EQ(report.sample_losses.size(0), 6);
  EXPECT_EQ(report.sample_weights.size(0), 6);
}

TEST_F(Learning, PerBatchStepFollowsTheReleasedCode) {
  const auto data = batch();
  const curriculum::StagePlan plan{
      .easy_threshold = 2, .pacing = curriculum::Pacing::kLog, .granularity = curriculum::Granularity::kPerBatch};
  const auto target = logits(data.inputs, teacher_->weight);
  const auto expected = after_sgd(
      *student_,
      [&](const torch::Tensor& weight) {
        const auto p = (target / 4).softmax(1);
        const auto loss = 16 * (p * (p.log() - (logits(data.inputs, weight) / 4).log_softmax(1))).sum(1).mean();
        const double l = loss.item<double>();
        return (1 + std::exp(-2.0)) / (1 + std::exp(l - 2.0)) * loss;
      },
      0.5);
  ClassifierLearner learner(options(LossKind::kKl), student_, teacher_);
  const auto report = learner.step(data, plan);
  EXPECT_LT((student_->weight - expected).abs().max().item<double>(), 1e-5);
  EXPECT_EQ(report.sample_weights.dim(), 0);
}

TEST_F(Learning, UsesTheTeachersAnswerWhereTheBatchBringsIt) {
  auto data = batch();
  data.teacher_logits = logits(data.inputs, teacher_->weight);
  auto twin = std::make_shared<LinearClassifier>(seeds_.stream("unused"));
  twin->weight.data().copy_(student_->weight);
  ClassifierLearner asks(options(LossKind::kMse), student_, teacher_), told(options(LossKind::kMse), twin, nullptr);
  asks.step(Batch{.inputs = data.inputs}, {});
  told.step(data, {});
  EXPECT_TRUE(student_->weight.equal(twin->weight));
}

TEST_F(Learning, WithoutATeacherItLearnsLabels) {
  auto data = batch();
  data.labels = torch::tensor({0, 1, 2, 3, 4, 5}, torch::kInt64);
  const auto expected = after_sgd(
      *student_,
      [&](const torch::Tensor& weight) {
        return -logits(data.inputs, weight).log_softmax(1).gather(1, data.labels.unsqueeze(1)).mean();
      },
      0.5);
  ClassifierLearner learner(options(LossKind::kKl), student_, nullptr);
  learner.step(data, {});
  EXPECT_LT((student_->weight - expected).abs().max().item<double>(), 1e-5);
}

TEST_F(Learning, TeacherGetsNoGradientBuffers) {
  ClassifierLearner learner(options(LossKind::kKl), student_, teacher_);
  learner.step(batch(), {});
  EXPECT_FALSE(teacher_->weight.grad().defined());
}

}  // namespace
}  // namespace drystill::distiller
