#include "distiller/language/teacher.h"

#include <gtest/gtest.h>

#include "core/error.h"
#include "tests/distiller/language/learner_fixture.h"

namespace drystill::distiller {
namespace {

using testing::Fixture;
using testing::kSequences;
using testing::options_with;
using testing::tiny_language_model;

TEST(LanguageTeacher, EmaFollowsAndLiveIsTheStudent) {
  Fixture ema(options_with(8), 2, EmaTeacher{.rate = 0.5, .every = 1});
  Fixture start(options_with(8), 2);
  ema.step({{.teacher_prompt = {1, 2}, .student_prompt = {3}, .completion = {5, 6}}});
  const auto average = ema.learner.teacher()->models().models.front()->parameters();
  const auto now = ema.student.model()->parameters(), was = start.student.model()->parameters();
  for (std::size_t i = 0; i < average.size(); ++i) {
    EXPECT_LT((average[i] - (now[i] + was[i]) / 2).abs().max().item<double>(), 1e-5);
  }
  Fixture live(options_with(8), 2, LiveTeacher{});
  EXPECT_EQ(live.learner.teacher()->models().models.front(), live.student.model().get());
}

std::vector<torch::Tensor> copies(const std::vector<torch::Tensor>& tensors) {
  std::vector<torch::Tensor> result;
  for (const auto& tensor : tensors) result.push_back(tensor.detach().clone());
  return result;
}

double distance(const std::vector<torch::Tensor>& a, const std::vector<torch::Tensor>& b) {
  double largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) largest = std::max(largest, (a[i] - b[i]).abs().max().item<double>());
  return largest;
}

TEST(LanguageTeacher, EmaStaysAtRate0AndIsTheStudentAtRate1) {
  const auto states = [](const language::CausalLm& model) {
    const torch::NoGradGuard no_grad;
    return model.hidden({.ids = torch::tensor({{1, 5, 9}}), .mask = {}, .positions = {}}).clone();
  };
  for (const TrainableOptions& trainable :
       {TrainableOptions{AllParameters{}}, TrainableOptions{LoraParameters{.rank = 2, .alpha = 4}}}) {
    for (const double rate : {0., 1.}) {
      Fixture fixture(options_with(8), 2, EmaTeacher{.rate = rate, .every = 1}, trainable);
      const auto& average = *fixture.learner.teacher()->models().models.front();
      const auto before = states(average);
      fixture.step({{.teacher_prompt = {1, 2}, .student_prompt = {3}, .completion = {5, 6}}});
      ASSERT_FALSE(states(*fixture.student.model()).equal(before));
      EXPECT_EQ(states(average).equal(before), rate == 0);
      EXPECT_EQ(states(average).equal(states(*fixture.student.model())), rate == 1);
    }
  }
}

TEST(LanguageTeacher, EmaMovesEverySoManySteps) {
  Fixture fixture(options_with(8), 2, EmaTeacher{.rate = 0.25, .every = 3});
  const auto average = fixture.learner.teacher()->models().models.front()->parameters();
  auto expected = copies(average);
  for (int step = 1; step <= 7; ++step) {
    fixture.step(kSequences);
    const auto now = fixture.student.model()->parameters();
    for (std::size_t i = 0; step % 3 == 0 && i < expected.size(); ++i) expected[i] += 0.25 * (now[i] - expected[i]);
    EXPECT_LT(distance(average, expected), 1e-6) << step;
    EXPECT_GT(distance(average, now), 1e-4) << step;
  }
}

TEST(LanguageTeacher, EmaFollowsAnAdapter) {
  const TrainableOptions lora = LoraParameters{.rank = 2, .alpha = 4};
  auto options = options_with(8);
  options.optimizer = AdamOptions{.learning_rate = 0.05};
  Fixture fixture(options, 2, EmaTeacher{.rate = 0.5, .every = 1}, lora);
  std::vector<torch::Tensor> start;
  for (const auto& parameter : fixture.student.trainable()) start.push_back(parameter.detach().clone());
  const auto states = [&](const language::CausalLm& model) {
    const torch::NoGradGuard no_grad;
    return model.hidden({.ids = torch::tensor({{1, 5, 9}}), .mask = {}, .positions = {}}).clone();
  };
  const auto& average = *fixture.learner.teacher()->models().models.front();
  const auto before = states(average);
  EXPECT_TRUE(before.equal(states(*fixture.student.model())));
  fixture.step(kSequences);
  const auto after = states(average);
  EXPECT_GT((after - before).abs().max().item<double>(), 1e-3);
  // The student with the mean of its numbers before and after the step is what the average has become.
  const torch::NoGradGuard no_grad;
  for (std::size_t i = 0; i < start.size(); ++i) {
    auto now = fixture.student.trainable()[i];
    now.copy_((now + start[i]) / 2);
  }
  EXPECT_LT((states(*fixture.student.model()) - after).abs().max().item<double>(), 1e-5);
}

torch::Tensor next_log_probs(const language::CausalLm& model) {
  const torch::NoGradGuard no_grad;
  return model.logits({.ids = torch::tensor({{3, 1, 4}}), .mask = {}, .positions = {}}).log_softmax(-1);
}

TEST(LanguageTeacher, InitialWeightsAreHeldTwiceOnlyWhereTheyChange) {
  for (const TrainableOptions& trainable :
       {TrainableOptions{LoraParameters{.rank = 2, .alpha = 4}}, TrainableOptions{AllParameters{}}}) {
    auto options = options_with(8);
    options.optimizer = AdamOptions{.learning_rate = 0.05};
    Fixture fixture(options, 2, InitialTeacher{}, trainable);
    const auto& model = *fixture.student.model();
    const auto& teacher = *fixture.learner.teacher()->models().models.front();
    const bool shared = teacher.input_weight().const_data_ptr() == model.input_weight().const_data_ptr();
    EXPECT_EQ(shared, std::holds_alternative<LoraParameters>(trainable));
    const auto before = next_log_probs(teacher), own = next_log_probs(model);
    fixture.step(kSequences);
    EXPECT_TRUE(next_log_probs(teacher).equal(before));
    EXPECT_GT((next_log_probs(model) - own).abs().max().item<double>(), 1e-3);
  }
}

TEST(LanguageTeacher, TrustRegionLiesBetweenTheFirstWeightsAndThoseOfNow) {
  Fixture fixture(options_with(8), 2, TrustRegionTeacher{.student_share = 0.3});
  const auto initial = next_log_probs(*fixture.student.model());
  const Sequence sequence{.teacher_prompt = {3}, .student_prompt = {3}, .completion = {1, 4, 7}};
  EXPECT_NEAR(fixture.learner.divergences(std::vector{sequence})[0], 0, 1e-5);
  fixture.step(kSequences);
  const auto now = next_log_probs(*fixture.student.model());
  const auto expected_teacher = (0.7 * initial + 0.3 * now).log_softmax(-1);
  const double expected = (expected_teacher.exp() * (expected_teacher - now)).sum(-1).mean().item<double>();
  EXPECT_GT(expected, 1e-3);
  EXPECT_NEAR(fixture.learner.divergences(std::vector{sequence})[0], expected, 1e-5);
}

TEST(LanguageTeacher, AnEnsembleIsTheMeanOfItsModels) {
  const Sequence sequence{.teacher_prompt = {3}, .student_prompt = {3}, .completion = {1, 4, 7}};
  const auto a = next_log_probs(*tiny_language_model(1)), b = next_log_probs(*tiny_language_model(7));
  for (const auto mean : {language::MixtureMean::kProbabilities, language::MixtureMean::kLogProbabilities}) {
    Fixture fixture(options_with(8), 2,
                    EnsembleTeacher{.others = {{.model = "b", .share = 3}}, .share = 1, .mean = mean});
    const auto student = next_log_probs(*fixture.student.model());
    const auto expected_teacher = mean == language::MixtureMean::kProbabilities
                                      ? (0.25 * a.exp() + 0.75 * b.exp()).log()
                                      : (0.25 * a + 0.75 * b).log_softmax(-1);
    const double expected = (expected_teacher.exp() * (expected_teacher - student)).sum(-1).mean().item<double>();
    EXPECT_NEAR(fixture.learner.divergences(std::vector{sequence})[0], expected, 1e-4);
    EXPECT_TRUE(std::isfinite(fixture.step(kSequences).loss.item<double>()));
  }
}

TEST(LanguageTeacher, TermsThatNeedOneModelSaySo) {
  auto hidden = options_with(8), universal = options_with(8);
  hidden.loss.hidden_statistics = HiddenStatisticsOptions{};
  auto states = options_with(8);
  states.loss.hidden_states = HiddenStatesOptions{};
  universal.loss.universal_logit = UniversalLogitOptions{};
  const EnsembleTeacher of_logits{
      .others = {{.model = "b"}}, .share = 1, .mean = language::MixtureMean::kLogProbabilities};
  EXPECT_THROW(Fixture(hidden, 2, EnsembleTeacher{.others = {{.model = "b"}}}), ConfigError);
  EXPECT_THROW(Fixture(hidden, 2, TrustRegionTeacher{}), ConfigError);
  EXPECT_THROW(Fixture(states, 2, TrustRegionTeacher{}), ConfigError);
  EXPECT_THROW(Fixture(universal, 2, EnsembleTeacher{.others = {{.model = "b"}}}), ConfigError);
  EXPECT_GT(Fixture(universal, 2, of_logits).step(kSequences).loss.item<double>(), 0);
}

}  // namespace
}  // namespace drystill::distiller
