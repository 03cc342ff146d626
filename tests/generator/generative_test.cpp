#include "generator/synthesizers/generative.h"

#include <gtest/gtest.h>

#include <cmath>
#include <memory>

#include "tests/generator/synthesis_fixture.h"
#include "vision/batch_norm_tap.h"

namespace drystill::generator {
namespace {

class Generative : public ::testing::Test {
 protected:
  Models models(const std::string& teacher = "resnet8") { return testing::make_models(teacher, "resnet8", seeds_); }

  GenerativeOptions options() {
    GenerativeOptions options;
    options.network = {.kind = NetworkKind::kLarge, .latent_size = 16, .width = 8};
    return options;
  }

  SeedStreams seeds_{7};
};

TEST_F(Generative, LossIsTheWeightedSumOfItsTerms) {
  auto made = models();
  auto choice = options();
  choice.objective.activation = 0.5;
  choice.objective.total_variation = 0.25;
  GenerativeSynthesizer synthesizer(choice, made, seeds_);
  const auto report = synthesizer.improve({16, 0.7});
  const double expected = testing::term(report, "one_hot") + 20 * testing::term(report, "class_balance") +
                          0.5 * testing::term(report, "activation") + testing::term(report, "batch_norm") +
                          0.25 * testing::term(report, "total_variation") + 0.7 * testing::term(report, "adversarial");
  EXPECT_NEAR(report.loss.item<double>(), expected, 1e-3 * std::abs(expected));
}

TEST_F(Generative, BatchNormTermIsThatOfAForwardByHand) {
  auto made = models();
  GenerativeSynthesizer synthesizer(options(), made, seeds_);
  const auto report = synthesizer.improve({16, 0});
  // DeepInversion's formula on the first layer alone, then the whole model through PyTorch-style composition.
  torch::NoGradGuard no_grad;
  double sum = 0;
  const auto normalised = (report.images - 0.3) / 0.4;
  made.teacher->visit_batch_norms([](vision::BatchNorm2d&) {});
  std::vector<std::pair<torch::Tensor, torch::Tensor>> seen;
  vision::BatchNormTap tap(*made.teacher, [&](const torch::Tensor& input, const vision::BatchNorm2d& layer) {
    const auto mean = input.mean({0, 2, 3});
    const auto variance = input.transpose(0, 1).reshape({input.size(1), -1}).var(1, /*unbiased=*/false);
    sum += (layer.running_var() - variance).norm().item<double>() + (layer.running_mean() - mean).norm().item<double>();
  });
  made.teacher->forward(normalised);
  EXPECT_NEAR(testing::term(report, "batch_norm"), sum, 1e-3 * sum);
}

TEST_F(Generative, TheAdversarialTermReachesTheGenerator) {
  // A published code base trained its baselines with student = teacher, so that this gradient was exactly zero.
  auto made = models();
  auto choice = options();
  choice.objective = {
      .adversary = Adversary::kL1, .only_where_they_agree = false, .one_hot = 0, .class_balance = 0, .batch_norm = 0};
  GenerativeSynthesizer synthesizer(choice, made, seeds_);
  synthesizer.improve({8, 1.0});
  double largest = 0;
  for (const auto& parameter : synthesizer.network().parameters()) {
    largest = std::max(largest, parameter.grad().abs().max().item<double>());
  }
  EXPECT_GT(largest, 0);
}

TEST_F(Generative, NeverTouchesTeacherOrStudent) {
  auto made = models();
  const auto copy = [](const torch::nn::Module& module) {
    std::vector<torch::Tensor> all;
    for (const auto& tensor : module.parameters()) all.push_back(tensor.clone());
    for (const auto& tensor : module.buffers()) all.push_back(tensor.clone());
    return all;
  };
  const auto teacher = copy(*made.teacher), student = copy(*made.student);
  GenerativeSynthesizer synthesizer(options(), made, seeds_);
  synthesizer.improve({8, 1.0});
  synthesizer.improve({8, 1.0});
  const auto expect_same = [](const std::vector<torch::Tensor>& a, const std::vector<torch::Tensor>& b) {
    for (std::size_t i = 0; i < a.size(); ++i) EXPECT_TRUE(a[i].equal(b[i]));
  };
  expect_same(copy(*made.teacher), teacher);
  expect_same(copy(*made.student), student);
  for (const auto& parameter : made.student->parameters()) {
    EXPECT_TRUE(parameter.requires_grad());
    EXPECT_FALSE(parameter.grad().defined());
  }
}

TEST_F(Generative, ModelsSeeAugmentedImagesFromAStreamOfItsOwn) {
  auto choice = options();
  SeedStreams plain_seeds(7), augmented_seeds(7);
  auto made = testing::make_models("resnet8", "resnet8", plain_seeds);
  GenerativeSynthesizer plain(choice, made, plain_seeds);
  choice.augment = {.crop_padding = 2, .flip = true};
  GenerativeSynthesizer augmented(choice, testing::make_models("resnet8", "resnet8", augmented_seeds), augmented_seeds);
  const auto images = plain.improve({8, 0.5}).images;
  const auto report = augmented.improve({8, 0.5});

  SeedStreams again(7);
  EXPECT_TRUE(report.images.equal(vision::augment(images, choice.augment, again.cpu_stream("augment.generator"))))
      << "the same latents, then crops and flips";
  torch::NoGradGuard no_grad;
  const auto logits = made.teacher->forward((report.images - 0.3) / 0.4).logits;
  EXPECT_LT((logits - report.teacher_logits).abs().max().item<double>(), 1e-4);

  State state;
  plain_seeds.save(StateWriter(state, "seeds."));
  EXPECT_EQ(StateReader(state, "seeds.").text("names").find("augment"), std::string::npos)
      << "a run without it has the state that it had before there was augmentation";
}

TEST_F(Generative, TheGradientPassesThroughTheAugmentation) {
  auto choice = options();
  choice.augment = {.crop_padding = 2, .flip = true, .mixup = 0.5};
  choice.objective = {.one_hot = 1, .class_balance = 0, .batch_norm = 0};
  GenerativeSynthesizer synthesizer(choice, models(), seeds_);
  synthesizer.improve({8, 0});
  double largest = 0;
  for (const auto& parameter : synthesizer.network().parameters()) {
    ASSERT_TRUE(parameter.grad().defined());
    largest = std::max(largest, parameter.grad().abs().max().item<double>());
  }
  EXPECT_GT(largest, 0);
}

TEST_F(Generative, SavedAndLoadedItAugmentsTheSame) {
  auto choice = options();
  choice.augment = {.crop_padding = 2, .flip = true};
  auto made = models();
  GenerativeSynthesizer synthesizer(choice, made, seeds_);
  synthesizer.improve({8, 0.5});
  State state;
  synthesizer.save(StateWriter(state, "g."));
  seeds_.save(StateWriter(state, "seeds."));
  const auto expected = synthesizer.improve({8, 0.5}).images;

  SeedStreams other_seeds(7);
  GenerativeSynthesizer other(choice, made, other_seeds);
  other.load(StateReader(state, "g."));
  other_seeds.load(StateReader(state, "seeds."));
  EXPECT_TRUE(other.improve({8, 0.5}).images.equal(expected));
}

TEST_F(Generative, ImprovesItsOwnObjective) {
  auto made = models();
  GenerativeSynthesizer synthesizer(options(), made, seeds_);
  const double before = synthesizer.improve({32, 0}).loss.item<double>();
  double after = before;
  for (int i = 0; i < 30; ++i) after = synthesizer.improve({32, 0}).loss.item<double>();
  EXPECT_LT(after, before - 1);
}

TEST_F(Generative, SaysThatABatchNormTermIsAbsent) {
  auto made = models("lenet5");
  GenerativeSynthesizer synthesizer(options(), made, seeds_);
  ASSERT_EQ(synthesizer.notices().size(), 1U);
  const auto report = synthesizer.improve({8, 0});
  for (const auto& [name, value] : report.terms) EXPECT_NE(name, "batch_norm");
}

TEST_F(Generative, SavedAndLoadedItGoesOnTheSame) {
  auto made = models();
  GenerativeSynthesizer synthesizer(options(), made, seeds_);
  synthesizer.improve({8, 0.5});
  State state;
  synthesizer.save(StateWriter(state, "g."));
  seeds_.save(StateWriter(state, "seeds."));
  synthesizer.improve({8, 0.5});
  const auto expected = synthesizer.sample(4);

  SeedStreams other_seeds(7);
  GenerativeSynthesizer other(options(), made, other_seeds);
  other.load(StateReader(state, "g."));
  other_seeds.load(StateReader(state, "seeds."));
  other.improve({8, 0.5});
  EXPECT_TRUE(other.sample(4).equal(expected));
  EXPECT_EQ(other.images_made(), 20) << "two batches of eight and four samples";
}

TEST_F(Generative, ASignalEndsTheWarmUpAndItGoesOn) {
  auto choice = options();
  choice.warmup_steps = 4;
  const auto make = [&](SeedStreams& seeds, int signal_at) {
    auto made = testing::make_models("resnet8", "resnet8", seeds);
    if (signal_at > 0) made.teacher = std::make_shared<testing::SignalledTeacher>(made.teacher, signal_at);
    return std::make_unique<GenerativeSynthesizer>(choice, made, seeds);
  };
  testing::expect_the_same_batch_after_a_signal(make, 2);
}

TEST_F(Generative, AWarmUpThatDivergedEndsSoon) {
  const torch::NoGradGuard no_grad;
  auto choice = options();
  choice.warmup_steps = 120;
  auto made = models();
  made.teacher->named_parameters()["fc.bias"].fill_(std::nanf(""));
  GenerativeSynthesizer synthesizer(choice, made, seeds_);
  const torch::AutoGradMode gradients(true);
  EXPECT_THROW(synthesizer.improve({8, 0.5}), DivergedError);
  EXPECT_LE(synthesizer.images_made(), 50 * 8);
}

}  // namespace
}  // namespace drystill::generator
