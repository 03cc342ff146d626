#include "generator/synthesizers/inversion.h"

#include <gtest/gtest.h>

#include <memory>
#include <set>

#include "generator/objective.h"
#include "tests/generator/synthesis_fixture.h"

namespace drystill::generator {
namespace {

class Inversion : public ::testing::Test {
 protected:
  Models models(const std::string& teacher = "lenet5") { return testing::make_models(teacher, "lenet5_half", seeds_); }

  static InversionOptions options() {
    InversionOptions options;
    options.start = Start::kShapes;
    options.steps = 5;
    return options;
  }

  SeedStreams seeds_{7};
};

TEST_F(Inversion, LossIsTheWeightedSumOfItsTerms) {
  auto choice = options();
  choice.objective.one_hot = 0.5;
  choice.objective.total_variation = 0.25;
  choice.objective.adversary = Adversary::kL1;
  choice.objective.only_where_they_agree = false;
  choice.target.weight = 3;
  InversionSynthesizer synthesizer(choice, models(), seeds_);
  const auto report = synthesizer.improve({16, 0.7});
  const double expected = 3 * testing::term(report, "target") + 0.5 * testing::term(report, "one_hot") +
                          0.25 * testing::term(report, "total_variation") + 0.7 * testing::term(report, "adversarial");
  EXPECT_NEAR(report.loss.item<double>(), expected, 1e-4 * std::abs(expected));
}

TEST_F(Inversion, TheTeacherComesToSeeWhatItWasToldTo) {
  auto made = models();
  auto choice = options();
  choice.steps = 200;
  choice.target = {.kind = TargetKind::kClass, .weight = 1, .temperature = 1};
  InversionSynthesizer synthesizer(choice, made, seeds_);
  const auto report = synthesizer.improve({20, 0});
  const auto classes = report.teacher_logits.argmax(1);
  std::int64_t right = 0;
  for (std::int64_t i = 0; i < 20; ++i) right += classes[i].item<std::int64_t>() == i % 10 ? 1 : 0;
  EXPECT_GE(right, 18);
}

TEST_F(Inversion, TheGradientPassesThroughTheAugmentation) {
  auto choice = options();
  choice.start = Start::kNoise;
  choice.steps = 1;
  choice.target.kind = TargetKind::kNone;
  choice.objective.one_hot = 1;
  choice.optimizer = SgdOptions{.learning_rate = 0.01, .momentum = 0, .weight_decay = 0};
  choice.augment = {.crop_padding = 3, .flip = true};
  auto made = models();
  InversionSynthesizer synthesizer(choice, made, seeds_);
  const auto images = synthesizer.improve({4, 0}).images;

  SeedStreams again(7);
  const auto random = again.cpu_stream("generator.inversion");
  auto pixels = torch::rand({4, 1, 32, 32}, random).requires_grad_(true);
  const auto seen = vision::augment(pixels, choice.augment, random);
  one_hot_loss(made.teacher->forward((seen - 0.3) / 0.4).logits).backward();
  EXPECT_GT(pixels.grad().abs().max().item<double>(), 0);
  const auto expected = (pixels.detach() - 0.01 * pixels.grad()).clamp(0, 1);
  EXPECT_LT((images - expected).abs().max().item<double>(), 1e-6);
}

TEST_F(Inversion, ABlendOfTwoImagesHasNeithersTarget) {
  InversionOptions choice;
  choice.augment.mixup = 0.5;
  EXPECT_EQ(choice.problems().size(), 1U);
  choice.target.kind = TargetKind::kNone;
  EXPECT_TRUE(choice.problems().empty());
}

TEST_F(Inversion, ReportsTheTeachersAnswerToTheFinishedImages) {
  auto made = models();
  InversionSynthesizer synthesizer(options(), made, seeds_);
  const auto report = synthesizer.improve({8, 0});
  EXPECT_GE(report.images.min().item<double>(), 0);
  EXPECT_LE(report.images.max().item<double>(), 1);
  const auto again = made.teacher->forward((report.images - 0.3) / 0.4).logits;
  EXPECT_LT((again - report.teacher_logits).abs().max().item<double>(), 1e-5);
}

TEST_F(Inversion, HandsOutEveryImageOnceBeforeAnyComesAgain) {
  auto choice = options();
  choice.steps = 4;
  choice.keep_every = 2;  // after 0 and 2 steps, and finished
  InversionSynthesizer synthesizer(choice, models(), seeds_);
  synthesizer.improve({4, 0});
  EXPECT_EQ(synthesizer.images_made(), 12);
  const auto sums = [&](std::int64_t count) {
    std::multiset<double> result;
    const auto images = synthesizer.sample(count);
    for (std::int64_t i = 0; i < count; ++i) result.insert(images[i].to(torch::kFloat64).sum().item<double>());
    return result;
  };
  auto once = sums(5);
  once.merge(sums(7));
  EXPECT_EQ(std::set<double>(once.begin(), once.end()).size(), 12U);
  EXPECT_EQ(sums(12), once);
}

// With batch norms on both sides: neither weights nor running statistics may move.
TEST_F(Inversion, NeverTouchesTeacherOrStudent) {
  auto made = testing::make_models("resnet8", "resnet8", seeds_);
  made.student->train();
  State before, after;
  const auto snapshot = [&](State& state) {
    const StateWriter writer(state);
    writer.part("teacher").module("weights", *made.teacher);
    writer.part("student").module("weights", *made.student);
  };
  snapshot(before);
  InversionSynthesizer synthesizer(options(), made, seeds_);
  synthesizer.improve({8, 1.0});
  snapshot(after);
  ASSERT_GT(after.tensors.size(), 100U);
  for (const auto& [name, tensor] : after.tensors) EXPECT_TRUE(tensor.equal(before.tensors.at(name))) << name;
  for (const auto& parameter : made.student->parameters()) {
    EXPECT_TRUE(parameter.requires_grad());
    EXPECT_FALSE(parameter.grad().defined());
  }
}

TEST_F(Inversion, ATargetOfWeightZeroIsNoTerm) {
  auto choice = options();
  choice.target.weight = 0;
  InversionSynthesizer synthesizer(choice, models(), seeds_);
  EXPECT_THROW(synthesizer.improve({8, 0}), ConfigError);
}

TEST_F(Inversion, SaysThatABatchNormTermIsAbsent) {
  EXPECT_EQ(InversionSynthesizer(options(), models(), seeds_).notices().size(), 1U);
  EXPECT_TRUE(InversionSynthesizer(options(), models("resnet8"), seeds_).notices().empty());
}

TEST_F(Inversion, SavedAndLoadedItGoesOnTheSame) {
  auto made = models();
  InversionSynthesizer synthesizer(options(), made, seeds_);
  synthesizer.improve({8, 0.5});
  synthesizer.sample(3);
  State state;
  synthesizer.save(StateWriter(state, "g."));
  seeds_.save(StateWriter(state, "seeds."));
  const auto here = synthesizer.sample(4);
  synthesizer.improve({8, 0.5});
  const auto later = synthesizer.sample(4);

  SeedStreams other_seeds(7);
  InversionSynthesizer other(options(), made, other_seeds);
  other.load(StateReader(state, "g."));
  other_seeds.load(StateReader(state, "seeds."));
  EXPECT_TRUE(other.sample(4).equal(here));
  other.improve({8, 0.5});
  EXPECT_TRUE(other.sample(4).equal(later));
  EXPECT_EQ(other.images_made(), 16);
}

TEST_F(Inversion, ASignalEndsABatchAndItBeginsAgain) {
  const auto make = [&](SeedStreams& seeds, int signal_at) {
    auto made = testing::make_models("lenet5", "lenet5_half", seeds);
    if (signal_at > 0) made.teacher = std::make_shared<testing::SignalledTeacher>(made.teacher, signal_at);
    return std::make_unique<InversionSynthesizer>(options(), made, seeds);
  };
  testing::expect_the_same_batch_after_a_signal(make, 2);
}

// A student in training mode counts every batch that passes its batch norms: the steps of the broken off batch must
// not.
TEST_F(Inversion, ASignalLeavesTheStudentsRunningStatistics) {
  auto choice = options();
  choice.student_in_eval_mode = false;
  auto made = testing::make_models("lenet5", "resnet8", seeds_);
  made.teacher = std::make_shared<testing::SignalledTeacher>(made.teacher, /*signal_at=*/3);
  State before, after;
  StateWriter(before).module("student", *made.student);
  InversionSynthesizer synthesizer(choice, made, seeds_);
  EXPECT_THROW(synthesizer.improve({8, 0.5}), Interrupted);
  request_stop(0);
  StateWriter(after).module("student", *made.student);
  for (const auto& [name, tensor] : after.tensors) EXPECT_TRUE(tensor.equal(before.tensors.at(name))) << name;
  synthesizer.improve({8, 0.5});
  EXPECT_EQ(made.student->named_buffers()["bn1.num_batches_tracked"].item<std::int64_t>(), choice.steps);
}

}  // namespace
}  // namespace drystill::generator
