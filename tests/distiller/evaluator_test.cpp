#include "distiller/evaluator.h"

#include <ATen/CPUGeneratorImpl.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tests/distiller/fakes.h"

namespace drystill::distiller {
namespace {

// Answers with given logits, chosen by the value of the first pixel.
class Scripted final : public vision::Classifier {
 public:
  explicit Scripted(torch::Tensor table) : Classifier(testing::tiny_image()), table_(std::move(table)) {}
  Output forward(const torch::Tensor& images) override {
    const auto number = (images.select(1, 0).select(1, 0).select(1, 0) * 0.4 + 0.3).mul(255).round().to(torch::kInt64);
    return {table_.index_select(0, number), {}};
  }

 private:
  torch::Tensor table_;
};

std::shared_ptr<testing::FixedImages> numbered_images(std::int64_t count, const torch::Tensor& labels) {
  auto images = torch::zeros({count, 1, 32, 32}, torch::kUInt8);
  images.select(1, 0).select(1, 0).select(1, 0).copy_(torch::arange(count));
  return std::make_shared<testing::FixedImages>(images, labels);
}

TEST(Evaluator, CountsAccuracyAndAgreement) {
  const auto teacher_table = torch::eye(4, 10) * 5, student_table = teacher_table.clone();
  student_table[1].zero_()[7] = 5;  // one of four differs
  Scripted teacher(teacher_table), student(student_table);
  const auto labels = torch::tensor({0, 1, 0, 3}, torch::kInt64);
  Evaluator evaluator(numbered_images(4, labels), testing::tiny_image(), torch::kCPU, /*batch=*/3);
  const auto result = evaluator.evaluate(student, &teacher);
  EXPECT_DOUBLE_EQ(result.teacher_accuracy, 0.75);
  EXPECT_DOUBLE_EQ(result.accuracy, 0.5);
  EXPECT_DOUBLE_EQ(result.agreement, 0.75);
  EXPECT_EQ(result.images, 4);
}

TEST(Evaluator, LoyaltyIsOneForEqualsAndZeroForOpposites) {
  const auto labels = torch::zeros({2}, torch::kInt64);
  const auto table = torch::randn({2, 10}, at::detail::createCPUGenerator(1), torch::TensorOptions());
  Scripted same(table), teacher(table);
  EXPECT_NEAR(
      Evaluator(numbered_images(2, labels), testing::tiny_image(), torch::kCPU).evaluate(same, &teacher).loyalty, 1,
      1e-6);

  auto left = torch::full({2, 10}, -200.0f), right = left.clone();
  left.select(1, 0).fill_(200);
  right.select(1, 1).fill_(200);
  Scripted one(left), other(right);
  EXPECT_NEAR(Evaluator(numbered_images(2, labels), testing::tiny_image(), torch::kCPU).evaluate(one, &other).loyalty,
              0, 1e-6);
}

TEST(Evaluator, AModelWhoseAnswersAreNoNumbersHasNoLoyalty) {
  Scripted broken(torch::full({2, 10}, std::nanf(""))), teacher(torch::eye(2, 10));
  Evaluator evaluator(numbered_images(2, torch::zeros({2}, torch::kInt64)), testing::tiny_image(), torch::kCPU);
  EXPECT_TRUE(std::isnan(evaluator.evaluate(broken, &teacher).loyalty));
}

TEST(Evaluator, RestoresTrainingMode) {
  Scripted student(torch::eye(2, 10));
  student.train();
  Evaluator evaluator(numbered_images(2, torch::zeros({2}, torch::kInt64)), testing::tiny_image(), torch::kCPU);
  evaluator.evaluate(student, nullptr);
  EXPECT_TRUE(student.is_training());
}

}  // namespace
}  // namespace drystill::distiller
