// Data-free means it: what a distillation run opens, and that a whole small run works and resumes.
#include <ATen/CPUGeneratorImpl.h>
#include <gtest/gtest.h>

#include <sstream>
#include <string>

#include "core/error.h"
#include "distiller/classifier_runs.h"
#include "journal/run_folder.h"
#include "tests/distiller/fakes.h"
#include "tests/support/temporary_folder.h"
#include "vision/classifier_file.h"
#include "vision/zoo.h"

namespace drystill::distiller {
namespace {

class DataFree : public ::testing::Test {
 protected:
  DataFree() {
    const auto teacher = vision::make_classifier("resnet8", testing::tiny_image(), at::detail::createCPUGenerator(1));
    vision::save_classifier(folder_ / "teacher.safetensors", *teacher, "resnet8", testing::tiny_image());
  }

  DistillClassifier options() {
    DistillClassifier options;
    options.run.device = "cpu";
    options.run.loop = {.epochs = 2, .epoch_steps = 3, .log_every = 2};
    options.teacher = {.architecture = "resnet8", .checkpoint = (folder_ / "teacher.safetensors").string()};
    options.student = {.architecture = "resnet8", .checkpoint = ""};
    options.generator = generator::GenerativeOptions{.network = {.latent_size = 8, .width = 4}};
    options.batch = 8;
    options.student_steps_per_generator_step = 2;
    options.replay.capacity = 32;
    return options;
  }

  TrainingResult run(const DistillClassifier& options, const std::string& name) {
    auto run_folder = journal::RunFolder::create(folder_ / name, journal::OnExists::kResume, {});
    journal::Journal journal(run_folder);
    std::ostringstream sink;
    const auto progress = make_progress({.quiet = true}, sink, [] { return 0.0; });
    return distill_classifier(
        options, {.folder = run_folder.path(),
                  .journal = journal,
                  .progress = *progress,
                  .open_dataset =
                      [this](const vision::DatasetOptions&, vision::Split split, const vision::ExpectedImages&) {
                        opened_.push_back(split);
                        return std::make_shared<testing::FixedImages>(torch::zeros({4, 1, 32, 32}, torch::kUInt8),
                                                                      torch::arange(4));
                      },
                  .open_texts = {},
                  .recipe = "batch: 8\n",
                  .command = "drystill distill a.yaml"});
  }

  drystill::testing::TemporaryFolder folder_;
  std::vector<vision::Split> opened_;
};

TEST_F(DataFree, EvaluationOpensTheTestSplitOnceAndNeverTheTrainingSplit) {
  auto with_data = options();
  with_data.evaluation = vision::IdxDataset{.train_images = "/nonexistent/train-images",
                                            .train_labels = "/nonexistent/train-labels",
                                            .test_images = "test-images",
                                            .test_labels = "test-labels"};
  const auto result = run(with_data, "run");
  ASSERT_EQ(opened_.size(), 1U);
  EXPECT_EQ(opened_[0], vision::Split::kTest);
  EXPECT_EQ(result.loop.last_evaluation.front().first, "accuracy");
}

TEST_F(DataFree, TheStudentsFileCarriesItsInputAndLoadsAgain) {
  const auto result = run(options(), "run");
  const auto loaded = vision::load_classifier({.architecture = "", .checkpoint = result.model.string()}, std::nullopt,
                                              at::detail::createCPUGenerator(2));
  EXPECT_EQ(loaded.architecture, "resnet8");
  EXPECT_EQ(loaded.input, testing::tiny_image());
  EXPECT_EQ(loaded.metadata.at("drystill.recipe"), "batch: 8\n");
  EXPECT_EQ(loaded.metadata.at("drystill.command"), "drystill distill a.yaml");
  ASSERT_EQ(result.counts.front().first, "images_synthesized");
  EXPECT_GT(result.counts.front().second, 0);
}

// Whatever makes the images.
class EverySynthesizer : public DataFree, public ::testing::WithParamInterface<generator::SynthesizerOptions> {
 protected:
  torch::Tensor student_weights(const std::string& name, const DistillClassifier& options) {
    const auto file = run(options, name).model.string();
    return vision::load_classifier({.architecture = "", .checkpoint = file}, std::nullopt,
                                   at::detail::createCPUGenerator(2))
        .model->parameters()
        .front();
  }
};

TEST_P(EverySynthesizer, NoDatasetIsOpened) {
  auto chosen = options();
  chosen.generator = GetParam();
  run(chosen, "run");
  EXPECT_TRUE(opened_.empty());
}

TEST_P(EverySynthesizer, EqualSeedsGiveEqualStudents) {
  auto chosen = options();
  chosen.generator = GetParam();
  const auto first = student_weights("a", chosen), second = student_weights("b", chosen);
  chosen.run.seed = 3;
  EXPECT_TRUE(first.equal(second));
  EXPECT_FALSE(first.equal(student_weights("c", chosen)));
}

TEST_P(EverySynthesizer, LookingAtSamplesDoesNotMoveTheRun) {
  auto chosen = options();
  chosen.generator = GetParam();
  chosen.run.loop.sample_every = 0;
  const auto unseen = student_weights("unseen", chosen);
  chosen.run.loop.sample_every = 1;
  EXPECT_TRUE(unseen.equal(student_weights("seen", chosen)));
}

INSTANTIATE_TEST_SUITE_P(Methods, EverySynthesizer,
                         ::testing::Values(generator::SynthesizerOptions{generator::GenerativeOptions{
                                               .network = {.latent_size = 8, .width = 4},
                                               .sample_in_eval_mode = false}},
                                           generator::SynthesizerOptions{generator::InversionOptions{
                                               .start = generator::Start::kShapes, .steps = 2, .keep_every = 1}}),
                         [](const auto& method) { return method.param.index() == 0 ? "generative" : "inversion"; });

TEST_F(DataFree, ATeacherWithoutWeightsIsRefused) {
  auto untrained = options();
  untrained.teacher.checkpoint.clear();
  untrained.input = testing::tiny_image();
  EXPECT_THROW(run(untrained, "run"), ConfigError);
}

TEST(DistillClassifierNotices, ReuseThatSavesNoForwardSaysWhy) {
  DistillClassifier chosen;
  chosen.reuse_generator_batch = true;
  EXPECT_TRUE(notices(chosen).empty());
  const auto names = [&](const char* word) {
    const auto found = notices(chosen);
    return found.size() == 1 && found[0].find(word) != std::string::npos;
  };
  chosen.generator_batch = 8;
  EXPECT_TRUE(names("generator_batch"));
  chosen.generator_batch = 0;
  chosen.replay.capacity = 1000;
  EXPECT_TRUE(names("replay"));
  chosen.augment.flip = true;
  EXPECT_TRUE(names("augment"));
  chosen.reuse_generator_batch = false;
  EXPECT_TRUE(notices(chosen).empty());
}

TEST(DistillClassifierProblems, WhatCannotRunOrDoesNothingIsRefused) {
  DistillClassifier chosen;
  ASSERT_EQ(chosen.problems().size(), 1U);
  EXPECT_EQ(chosen.problems()[0].field, "teacher");
  chosen.teacher.checkpoint = "teacher.safetensors";
  ASSERT_EQ(chosen.problems().size(), 1U);
  EXPECT_EQ(chosen.problems()[0].field, "student");
  chosen.student.architecture = "resnet8";
  EXPECT_TRUE(chosen.problems().empty());
  chosen.batch = 8;
  chosen.replay.capacity = 7;
  ASSERT_EQ(chosen.problems().size(), 1U);
  EXPECT_EQ(chosen.problems()[0].field, "replay");
  chosen.replay.capacity = 8;
  EXPECT_TRUE(chosen.problems().empty());

  chosen.replay.draw = curriculum::ReplayDraw::kCurriculum;
  EXPECT_TRUE(chosen.problems().empty());
  chosen.curriculum = curriculum::SelfPacedOptions{.granularity = curriculum::Granularity::kPerBatch};
  EXPECT_EQ(chosen.problems().size(), 1U);
  chosen.curriculum = curriculum::SelfPacedOptions{.pacing = curriculum::Pacing::kNone};
  EXPECT_EQ(chosen.problems().size(), 1U);
  chosen.curriculum = curriculum::ConstantOptions{};
  EXPECT_EQ(chosen.problems().size(), 1U);
  chosen.replay.capacity = 0;
  EXPECT_TRUE(chosen.problems().empty()) << "there is no bank to draw from";
}

TEST_F(DataFree, ALossThatExplodesEndsTheRun) {
  auto wild = options();
  wild.optimizer = SgdOptions{.learning_rate = 1e30};
  wild.run.loop.epochs = 20;
  EXPECT_THROW(run(wild, "run"), DivergedError);
}

}  // namespace
}  // namespace drystill::distiller
