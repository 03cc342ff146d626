#include "distiller/synthetic_source.h"

#include <gtest/gtest.h>

#include <cmath>

#include "core/error.h"
#include "tests/distiller/fakes.h"

namespace drystill::distiller {
namespace {

// Makes images whose every pixel is the number of the sample, in 1/255.
class Counting final : public generator::Synthesizer {
 public:
  generator::SynthesisReport improve(const generator::SynthesisRequest& request) override {
    ++improvements;
    adversarial_weight = request.adversarial_weight;
    return {.loss = torch::tensor(loss),
            .terms = {},
            .images = torch::full({request.batch, 1, 32, 32}, 200.0 / 255),
            .teacher_logits = torch::full({request.batch, 10}, 7.0)};
  }
  torch::Tensor sample(std::int64_t count) override {
    EXPECT_GT(count, 0);  // a batch norm in training mode takes no empty batch
    sampled += count;
    const auto numbers = torch::arange(next_, next_ + count, torch::kFloat32).remainder(250);
    next_ += count;
    return (numbers / 255).view({count, 1, 1, 1}).expand({count, 1, 32, 32}).contiguous();
  }
  std::int64_t images_made() const override { return sampled; }
  void save(StateWriter) const override {}
  void load(const StateReader&) override {}

  double loss = 1;
  std::int64_t improvements = 0;
  std::int64_t sampled = 0;
  double adversarial_weight = -1;

 private:
  std::int64_t next_ = 0;
};

class Source : public ::testing::Test {
 protected:
  SyntheticSource make(SyntheticSourceOptions options) {
    options.augment = {.crop_padding = 0, .flip = false, .mixup = 0};
    return SyntheticSource(options, synthesizer_, testing::tiny_image(), torch::kCPU, torch::kFloat32, seeds_);
  }
  // Back from normalised pixels to the numbers that went in.
  static std::vector<int> numbers(const Batch& batch) {
    std::vector<int> result;
    const auto pixels = (batch.inputs.select(1, 0).select(1, 0).select(1, 0) * 0.4 + 0.3) * 255;
    for (std::int64_t i = 0; i < pixels.size(0); ++i)
      result.push_back(static_cast<int>(std::lround(pixels[i].item<double>())));
    return result;
  }
  static curriculum::StagePlan plan(std::int64_t step) { return {.step = step, .adversarial_weight = 0.4}; }

  Counting synthesizer_;
  SeedStreams seeds_{2};
};

TEST_F(Source, ImprovesOnceEveryTenSteps) {
  auto source = make({.batch = 4, .student_steps_per_generator_step = 10});
  for (int step = 0; step < 21; ++step) source.next(plan(step));
  EXPECT_EQ(synthesizer_.improvements, 3);
  EXPECT_DOUBLE_EQ(synthesizer_.adversarial_weight, 0.4);
  EXPECT_EQ(synthesizer_.sampled, 21 * 4);
}

TEST_F(Source, AGeneratorThatDivergedIsCaughtInItsStep) {
  auto source = make({.batch = 4});
  source.next(plan(0));
  synthesizer_.loss = std::nan("");
  EXPECT_NO_THROW(source.next(plan(1)));  // not its step
  EXPECT_THROW(source.next(plan(10)), DivergedError);
}

TEST_F(Source, ReusesTheGeneratorsBatchAndTheTeachersAnswer) {
  auto source = make({.batch = 4, .student_steps_per_generator_step = 2, .reuse_generator_batch = true});
  const auto first = source.next(plan(0)), second = source.next(plan(1));
  EXPECT_EQ(numbers(first), std::vector<int>(4, 200));
  EXPECT_EQ(first.teacher_logits[0][0].item<double>(), 7.0);
  EXPECT_FALSE(second.teacher_logits.defined());
  EXPECT_EQ(synthesizer_.sampled, 4);
}

TEST_F(Source, FillsUpWhatASmallerGeneratorBatchLeavesOpen) {
  auto source =
      make({.batch = 4, .student_steps_per_generator_step = 2, .generator_batch = 3, .reuse_generator_batch = true});
  const auto batch = source.next(plan(0));
  EXPECT_EQ(numbers(batch), (std::vector<int>{200, 200, 200, 0}));
  EXPECT_FALSE(batch.teacher_logits.defined()) << "one of the images is not the generator step's";
  EXPECT_EQ(synthesizer_.sampled, 1);
}

TEST_F(Source, ReplaysTheShareAskedForOnceTheBankHoldsABatch) {
  auto source = make({.batch = 8, .replay = {.capacity = 16, .fraction = 0.25}});
  source.next(plan(0));
  EXPECT_EQ(synthesizer_.sampled, 8);
  const auto batch = source.next(plan(1));
  EXPECT_EQ(synthesizer_.sampled, 8 + 6);
  const auto values = numbers(batch);
  for (int i = 0; i < 6; ++i) EXPECT_EQ(values[static_cast<std::size_t>(i)], 8 + i);
  for (int i = 6; i < 8; ++i)
    EXPECT_LT(values[static_cast<std::size_t>(i)], 8) << "only the first batch was in the bank";
}

TEST_F(Source, DrawsNothingWhereTheBankGivesAll) {
  auto source = make({.batch = 4, .replay = {.capacity = 8, .fraction = 1}});
  source.next(plan(0));
  for (int step = 1; step < 4; ++step) {
    const auto batch = source.next(plan(step));
    EXPECT_EQ(batch.inputs.size(0), 4);
    EXPECT_TRUE(batch.bank_slots.ge(0).all().item<bool>());
  }
  EXPECT_EQ(synthesizer_.sampled, 4);
}

TEST_F(Source, WeightsOfTheStudentStepSteerTheDraw) {
  auto source =
      make({.batch = 4, .replay = {.capacity = 4, .fraction = 1.0, .draw = curriculum::ReplayDraw::kCurriculum}});
  const auto batch = source.next(plan(0));
  StepReport report;
  report.sample_weights = torch::tensor({0.0f, 0.0f, 1.0f, 0.0f});
  source.observe(batch, report);
  EXPECT_EQ(numbers(source.next(plan(1))), std::vector<int>(4, 2));
}

}  // namespace
}  // namespace drystill::distiller
