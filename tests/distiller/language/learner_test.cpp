#include "distiller/language/learner.h"

#include <gtest/gtest.h>

#include "tests/support/tiny_language_model.h"

namespace drystill::distiller {
namespace {

using drystill::testing::tiny_language_model;

const std::vector<Sequence> kSequences = {
    {.teacher_prompt = {1, 2, 3}, .student_prompt = {4}, .completion = {10, 11}},
    {.teacher_prompt = {5}, .student_prompt = {6, 7}, .completion = {12, 13, 14, 15}},
    {.teacher_prompt = {9}, .student_prompt = {9}, .completion = {100}},
};

Batch batch_of(std::vector<Sequence> sequences) {
  Batch batch;
  batch.sequences = std::move(sequences);
  return batch;
}

LanguageLearnerOptions options_with(std::int64_t micro_batch, Aggregation aggregation = Aggregation::kTokenMean) {
  LanguageLearnerOptions options;
  options.micro_batch = micro_batch;
  options.loss.aggregation = aggregation;
  options.optimizer = SgdOptions{.learning_rate = 0.5, .momentum = 0, .weight_decay = 0};
  options.schedule.kind = ScheduleKind::kConstant;
  options.clip_gradient = 0;
  return options;
}

struct Fixture {
  explicit Fixture(const LanguageLearnerOptions& options, std::uint64_t student_seed = 2,
                   const TeacherWeights& weights = FrozenTeacher{})
      : student(tiny_language_model(student_seed), AllParameters{}, {}, seeds),
        learner(options, student, make_language_teacher(weights, tiny_language_model(1), student.model()),
                torch::kCPU) {}
  StepReport step(const std::vector<Sequence>& sequences, const curriculum::StagePlan& plan = {}) {
    return learner.step(batch_of(sequences), plan);
  }
  SeedStreams seeds{0};
  LanguageStudent student;
  LanguageLearner learner;
};

double distance(const LanguageStudent& a, const LanguageStudent& b) {
  double largest = 0;
  for (std::size_t i = 0; i < a.trainable().size(); ++i) {
    largest = std::max(largest, (a.trainable()[i] - b.trainable()[i]).abs().max().item<double>());
  }
  return largest;
}

TEST(LanguageLearner, MicroBatchesDoNotChangeTheStep) {
  for (const auto aggregation : {Aggregation::kTokenMean, Aggregation::kSequenceMean, Aggregation::kConstantLength}) {
    Fixture whole(options_with(8, aggregation)), parts(options_with(1, aggregation)), before(options_with(1));
    whole.step(kSequences);
    parts.step(kSequences);
    EXPECT_LT(distance(whole.student, parts.student), 1e-6);
    EXPECT_GT(distance(whole.student, before.student), 1e-4);
  }
}

TEST(LanguageLearner, OrderDoesNotMatter) {
  Fixture forward(options_with(8)), backward(options_with(8));
  forward.step(kSequences);
  backward.step({kSequences[2], kSequences[1], kSequences[0]});
  EXPECT_LT(distance(forward.student, backward.student), 1e-5);
}

TEST(LanguageLearner, AStudentEqualToItsTeacherStaysAsItIs) {
  const std::vector<Sequence> same_views = {{.teacher_prompt = {1}, .student_prompt = {1}, .completion = {5, 6, 7}}};
  Fixture fixture(options_with(8), /*student_seed=*/1), before(options_with(8), 1);
  const auto report = fixture.step(same_views);
  EXPECT_NEAR(report.loss.item<double>(), 0, 1e-6);
  EXPECT_LT(distance(fixture.student, before.student), 1e-6);
}

TEST(LanguageLearner, EveryTermLowersItself) {
  LanguageLossOptions kl, cross_entropy, advantage;
  cross_entropy.divergence_weight = 0;
  cross_entropy.cross_entropy = 1;
  advantage.advantage = AdvantageOptions{};
  for (const LanguageLossOptions& loss : {kl, cross_entropy, advantage}) {
    auto options = options_with(8);
    options.loss = loss;
    options.optimizer = AdamOptions{.learning_rate = 3e-3};
    Fixture fixture(options);
    const double first = fixture.step(kSequences).loss.item<double>();
    double last = first;
    for (int i = 0; i < 30; ++i) last = fixture.step(kSequences).loss.item<double>();
    EXPECT_LT(last, 0.7 * first);
  }
}

// What the curriculum leaves out has no influence: its tokens may say anything.
TEST(LanguageLearner, HardPacingLeavesOutWhatIsTooHard) {
  Fixture probe(options_with(8));
  const auto losses = probe.learner.divergences(kSequences);
  const auto easiest = std::ranges::min_element(losses) - losses.begin();
  const double second = [&] {
    auto sorted = losses;
    std::ranges::sort(sorted);
    return sorted[1];
  }();
  curriculum::StagePlan plan;
  plan.pacing = curriculum::Pacing::kHard;
  plan.easy_threshold = (losses[static_cast<std::size_t>(easiest)] + second) / 2;
  Fixture all(options_with(8, Aggregation::kConstantLength));
  const auto report = all.step(kSequences, plan);
  EXPECT_NEAR(report.sample_weights.sum().item<double>(), 1, 1e-6);
  EXPECT_NEAR(report.sample_weights[easiest].item<double>(), 1, 1e-6);
}

TEST(LanguageLearner, SkipsTheFirstTokensAndAMaskedBatch) {
  auto options = options_with(8);
  options.loss.skip_first = 2;
  Fixture fixture(options), before(options);
  fixture.step({{.teacher_prompt = {1}, .student_prompt = {1}, .completion = {5, 6}}});
  EXPECT_EQ(distance(fixture.student, before.student), 0);
  fixture.step({{.teacher_prompt = {1}, .student_prompt = {1}, .completion = {5, 6, 7}}});
  EXPECT_GT(distance(fixture.student, before.student), 0);
}

TEST(LanguageTeacher, EmaFollowsAndLiveIsTheStudent) {
  Fixture ema(options_with(8), 2, EmaTeacher{.rate = 0.5, .every = 1});
  Fixture start(options_with(8), 2);
  ema.step({{.teacher_prompt = {1, 2}, .student_prompt = {3}, .completion = {5, 6}}});
  const auto average = ema.learner.teacher()->model().parameters();
  const auto now = ema.student.model()->parameters(), was = start.student.model()->parameters();
  for (std::size_t i = 0; i < average.size(); ++i) {
    EXPECT_LT((average[i] - (now[i] + was[i]) / 2).abs().max().item<double>(), 1e-5);
  }
  Fixture live(options_with(8), 2, LiveTeacher{});
  EXPECT_EQ(&live.learner.teacher()->model(), live.student.model().get());
}

TEST(LanguageLearner, GoesOnFromWhatItSaved) {
  auto options = options_with(8);
  options.optimizer = AdamOptions{.learning_rate = 1e-3};
  Fixture straight(options, 2, EmaTeacher{}), resumed(options, 3, EmaTeacher{});
  straight.step(kSequences);
  State state;
  straight.learner.save(StateWriter(state));
  straight.step(kSequences);
  resumed.learner.load(StateReader(state));
  resumed.step(kSequences);
  EXPECT_EQ(distance(straight.student, resumed.student), 0);
}

}  // namespace
}  // namespace drystill::distiller
