#include "distiller/language/learner.h"

#include <gtest/gtest.h>

#include "core/error.h"
#include "distiller/language/packing.h"
#include "tests/distiller/language/learner_fixture.h"

namespace drystill::distiller {
namespace {

using testing::distance;
using testing::Fixture;
using testing::kSequences;
using testing::options_with;
using testing::tiny_language_model;

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

// Of a micro-batch each, the advantages would be whitened by another mean and deviation.
TEST(LanguageLearner, WhitensOverTheWholeBatch) {
  auto sequences = kSequences;
  for (const bool known : {false, true}) {
    if (known) {
      for (Sequence& sequence : sequences) sequence.sampler_log_probabilities.assign(sequence.completion.size(), -4.F);
    }
    const auto with = [](std::int64_t micro_batch) {
      auto options = options_with(micro_batch);
      options.loss.divergence_weight = 0;
      options.loss.advantage = AdvantageOptions{};
      options.loss.advantage->method.whiten = true;
      return options;
    };
    Fixture whole(with(8)), parts(with(1)), before(with(1));
    whole.step(sequences);
    parts.step(sequences);
    EXPECT_LT(distance(whole.student, parts.student), 1e-6);
    EXPECT_GT(distance(whole.student, before.student), 1e-4);
  }
}

TEST(LanguageLearner, CheckpointedLayersHaveTheSameGradient) {
  for (const TrainableOptions& trainable :
       {TrainableOptions{AllParameters{}}, TrainableOptions{LoraParameters{.rank = 2, .alpha = 4}}}) {
    Fixture plain(options_with(8), 2, FrozenTeacher{}, trainable);
    Fixture checkpointed(options_with(8), 2, FrozenTeacher{}, trainable);
    Fixture before(options_with(8), 2, FrozenTeacher{}, trainable);
    checkpointed.student.model()->set_gradient_checkpointing(true);
    plain.step(kSequences);
    checkpointed.step(kSequences);
    EXPECT_LT(distance(plain.student, checkpointed.student), 1e-6);
    EXPECT_GT(distance(plain.student, before.student), 1e-4);
  }
}

// States of every layer at the predicting places of the first two of kSequences that have a loss with `skip_first: 1`.
std::vector<torch::Tensor> counted_states(const language::CausalLm& model, Side side,
                                          const std::vector<Sequence>& sequences) {
  const PackedView view = pack(sequences, side, torch::kCPU);
  std::vector<torch::Tensor> all;
  model.hidden(view.tokens, {.layer_states = &all});
  for (auto& one : all) one = predicting_states(one, view).index_select(0, torch::tensor({1, 3, 4, 5}));
  return all;
}

// `stepped` is `before` less its gradients: one step of plain descent at the rate 1.
void expect_one_step_of_sgd(const LanguageStudent& stepped, const LanguageStudent& before) {
  for (std::size_t i = 0; i < before.trainable().size(); ++i) {
    const auto& mine = before.trainable()[i];
    if (!mine.grad().defined()) continue;  // the output head
    const auto expected = mine.detach() - mine.grad();
    EXPECT_LT((stepped.trainable()[i] - expected).abs().max().item<double>(), 1e-4);
  }
}

// The step by hand: states of both models at the predicting places, composed moments, autograd.
TEST(LanguageLearner, HiddenStatisticsAreThoseOfTheTokens) {
  auto options = options_with(8);
  options.loss.divergence_weight = 0;
  options.loss.cross_entropy = 1e-30;
  options.loss.hidden_statistics = HiddenStatisticsOptions{.weight = 0.5, .layers = {{1, 2}, {0, 1}}};
  options.loss.skip_first = 1;
  options.optimizer = SgdOptions{.learning_rate = 1, .momentum = 0, .weight_decay = 0};
  Fixture fixture(options), by_hand(options);
  const std::vector<Sequence> sequences = {kSequences[0], kSequences[1]};
  fixture.step(sequences);

  const auto teacher = counted_states(*tiny_language_model(1), Side::kTeacher, sequences);
  const auto student = counted_states(*by_hand.student.model(), Side::kStudent, sequences);
  torch::Tensor loss = torch::zeros({});
  for (const auto& [of_teacher, of_student] : {std::pair{1, 2}, std::pair{0, 1}}) {
    const auto &t = teacher[of_teacher], &s = student[of_student];
    loss = loss + (t.var(0, false) - s.var(0, false)).norm() + (t.mean(0) - s.mean(0)).norm();
  }
  (loss / 2 * 0.5).backward();
  expect_one_step_of_sgd(fixture.student, by_hand.student);
}

// The step by hand, with another term's pairs before its own: distances relative to the teacher's states, masked and
// averaged as the loss of a token is, in micro-batches as in one batch.
TEST(LanguageLearner, HiddenStatesAreThoseOfTheTokens) {
  for (const std::int64_t micro_batch : {8, 1}) {
    auto options = options_with(micro_batch);
    options.loss.divergence_weight = 0;
    options.loss.cross_entropy = 1e-30;
    options.loss.hidden_statistics = HiddenStatisticsOptions{.weight = 0, .layers = {{0, 1}}};
    options.loss.hidden_states = HiddenStatesOptions{.weight = 0.5, .layers = {{1, 2}, {0, 1}}};
    options.loss.skip_first = 1;
    options.optimizer = SgdOptions{.learning_rate = 1, .momentum = 0, .weight_decay = 0};
    Fixture fixture(options), by_hand(options);
    const std::vector<Sequence> sequences = {kSequences[0], kSequences[1]};
    fixture.step(sequences);

    const auto teacher = counted_states(*tiny_language_model(1), Side::kTeacher, sequences);
    const auto student = counted_states(*by_hand.student.model(), Side::kStudent, sequences);
    torch::Tensor loss = torch::zeros({});
    for (const auto& [of_teacher, of_student] : {std::pair{1, 2}, std::pair{0, 1}}) {
      const auto t = teacher[of_teacher].detach();
      loss = loss + ((t - student[of_student]).square().sum(1) / t.square().sum(1)).mean();
    }
    (loss / 2 * 0.5).backward();
    expect_one_step_of_sgd(fixture.student, by_hand.student);
  }
}

// Log-probabilities of every word at the places that predict the completions' tokens: [M, words], with a gradient.
torch::Tensor predictions(const language::CausalLm& model, Side side, const std::vector<Sequence>& sequences) {
  const PackedView view = pack(sequences, side, torch::kCPU);
  return at::linear(predicting_states(model.hidden(view.tokens), view), model.output_weight()).log_softmax(1);
}

torch::Tensor of_tokens(const torch::Tensor& log_probs, const std::vector<Sequence>& sequences) {
  return log_probs.gather(1, completion_tokens(sequences, torch::kCPU).unsqueeze(1)).squeeze(1);
}

torch::Tensor forward_kl(const torch::Tensor& teacher, const torch::Tensor& student) {
  return (teacher.exp() * (teacher - student)).sum(1);
}

// The step by hand: the ratio of the student to whoever wrote a token, cut, is a constant that multiplies its
// divergence. The first two completions are by authors far below and far above the student, the third by nobody known.
TEST(LanguageLearner, ImportanceMultipliesTheDivergence) {
  auto sequences = kSequences;
  sequences[0].sampler_log_probabilities = {-9.F, -5.F};
  sequences[1].sampler_log_probabilities = {-0.5F, -1.F, -7.F, -5.2F};
  for (const std::int64_t micro_batch : {8, 1}) {
    auto options = options_with(micro_batch);
    options.optimizer = SgdOptions{.learning_rate = 1, .momentum = 0, .weight_decay = 0};
    options.loss.importance_clip = 2;
    Fixture fixture(options), by_hand(options);
    const auto report = fixture.step(sequences);

    const auto teacher = predictions(*tiny_language_model(1), Side::kTeacher, sequences).detach();
    const auto student = predictions(*by_hand.student.model(), Side::kStudent, sequences);
    const auto own = of_tokens(student, sequences).detach();
    const auto sampler = torch::cat({torch::tensor({-9.F, -5.F, -0.5F, -1.F, -7.F, -5.2F}), own.narrow(0, 6, 1)});
    const auto ratio = (own - sampler).exp().clamp_max(2);
    EXPECT_EQ(ratio[0].item<float>(), 2);
    EXPECT_LT(ratio[2].item<float>(), 0.1);
    const auto divergence = forward_kl(teacher, student);
    (divergence * ratio).mean().backward();
    expect_one_step_of_sgd(fixture.student, by_hand.student);
    EXPECT_NEAR(
        report.loss.item<double>(),
        (divergence.narrow(0, 0, 2).mean() + divergence.narrow(0, 2, 4).mean() + divergence[6]).item<double>() / 3,
        1e-5);
  }
}

// The step by hand: w (share KL(teacher || student) + (1 - share) cross-entropy), a mean over the text's own tokens,
// beside the completions' loss.
TEST(LanguageLearner, PlainTextIsLearntBesideTheCompletions) {
  const std::vector<Sequence> text = {{.teacher_prompt = {20}, .student_prompt = {20}, .completion = {21, 22, 23}},
                                      {.teacher_prompt = {30}, .student_prompt = {30}, .completion = {31}}};
  for (const double share : {0.0, 0.25, 1.0}) {
    auto options = options_with(share == 0 ? 1 : 8);
    options.optimizer = SgdOptions{.learning_rate = 1, .momentum = 0, .weight_decay = 0};
    options.plain_text = PlainTextOptions{.weight = 0.5, .teacher_share = share};
    Fixture fixture(options), by_hand(options);
    Batch batch = testing::batch_of(kSequences);
    batch.plain_text = text;
    const auto report = fixture.learner.step(batch, {});

    const auto teacher = tiny_language_model(1);
    const auto& student = *by_hand.student.model();
    const auto completions = forward_kl(predictions(*teacher, Side::kTeacher, kSequences).detach(),
                                        predictions(student, Side::kStudent, kSequences));
    const auto of_text = predictions(student, Side::kStudent, text);
    const auto divergence = forward_kl(predictions(*teacher, Side::kTeacher, text).detach(), of_text);
    const auto plain = divergence.mean() * share - of_tokens(of_text, text).mean() * (1 - share);
    (completions.mean() + plain * 0.5).backward();
    expect_one_step_of_sgd(fixture.student, by_hand.student);
    EXPECT_NEAR(report.plain_text_loss.item<double>(), plain.item<double>(), 1e-5);
  }
}

// Nothing but masked completions: the text is learnt all the same.
TEST(LanguageLearner, PlainTextIsLearntWhereNoCompletionIs) {
  auto options = options_with(8);
  options.loss.skip_first = 9;
  options.plain_text = PlainTextOptions{};
  Fixture fixture(options), before(options);
  Batch batch = testing::batch_of(kSequences);
  batch.plain_text = {kSequences[1]};
  const auto report = fixture.learner.step(batch, {});
  EXPECT_EQ(report.loss.item<double>(), 0);
  EXPECT_GT(distance(fixture.student, before.student), 0);
}

// Cross-entropy alone: what the teacher would be shown is not even looked at.
TEST(LanguageLearner, ALossThatDoesNotCompareAsksNoTeacher) {
  auto options = options_with(8);
  options.loss.divergence_weight = 0;
  options.loss.cross_entropy = 1;
  Fixture plain(options), unreadable(options);
  auto sequences = kSequences;
  for (Sequence& sequence : sequences) sequence.teacher_prompt = {1'000'000};  // no such word
  plain.step(kSequences);
  unreadable.step(sequences);
  EXPECT_EQ(distance(plain.student, unreadable.student), 0);
}

TEST(LayerPairs, OfKeptLayersAreWhatTheNextLayerReads) {
  const std::vector<std::int64_t> kept = {0, 1, 4};
  EXPECT_EQ(pairs_of_kept_layers(kept, 6), (std::vector<LayerPair>{{1, 1}, {4, 2}, {6, 3}}));
}

TEST(LayerPairs, AreSpreadEvenlyAndMustExist) {
  const auto teacher = drystill::testing::tiny_transformer(8), student = drystill::testing::tiny_transformer(2);
  EXPECT_EQ(layer_pairs("key", {}, teacher, student), (std::vector<LayerPair>{{4, 1}, {8, 2}}));
  EXPECT_THROW(layer_pairs("key", {{9, 1}}, teacher, student), ConfigError);
  EXPECT_THROW(layer_pairs("key", {{1, 3}}, teacher, student), ConfigError);
  auto wider = student;
  wider.hidden_size *= 2;
  EXPECT_THROW(layer_pairs("key", {}, teacher, wider), ConfigError);
}

// What the teacher's likeliest words say is what the teacher says: all words, and its top k.
TEST(LanguageLearner, RememberedWordsReplaceTheTeacher) {
  for (const std::int64_t k : {std::int64_t{259}, std::int64_t{5}}) {
    auto options = options_with(2);
    options.loss.divergence.support = kernels::TokenSupport::kTeacherTopK;
    options.loss.divergence.k = k;
    auto full = options;
    if (k == 259) full.loss.divergence.support = kernels::TokenSupport::kFull;
    Fixture live(full), cached(options);
    auto remembered = kSequences;
    cached.learner.remember(remembered, k);
    ASSERT_EQ(top_k_of(remembered[1]), k);
    for (Sequence& sequence : remembered) sequence.teacher_prompt = {0};  // nobody reads it any more
    for (int step = 0; step < 3; ++step) {
      const auto expected = live.step(kSequences), found = cached.step(remembered);
      EXPECT_NEAR(found.loss.item<double>(), expected.loss.item<double>(), 1e-5);
    }
    EXPECT_LT(distance(live.student, cached.student), 1e-5);
  }
}

// What its head wrote the tokens from is all that is learned from a teacher.
TEST(LanguageLearner, StatesOfTheRolloutsReplaceTheTeacher) {
  Fixture asked(options_with(2)), told(options_with(2));
  auto known = kSequences;
  {
    const torch::NoGradGuard no_grad;
    const auto view = pack(known, Side::kTeacher, torch::kCPU);
    const torch::Tensor states = predicting_states(tiny_language_model(1)->hidden(view.tokens), view);
    std::int64_t begin = 0;
    for (Sequence& sequence : known) {
      sequence.teacher_states = states.narrow(0, begin, std::ssize(sequence.completion));
      begin += std::ssize(sequence.completion);
      sequence.teacher_prompt = {0};  // nobody reads it any more
    }
  }
  for (int step = 0; step < 3; ++step) {
    EXPECT_NEAR(told.step(known).loss.item<double>(), asked.step(kSequences).loss.item<double>(), 1e-5);
  }
  EXPECT_LT(distance(asked.student, told.student), 1e-5);
  EXPECT_NEAR(told.learner.divergences(known)[1], asked.learner.divergences(kSequences)[1], 1e-5);

  known[1].teacher_states = torch::Tensor();  // came back from a bank, which keeps none
  EXPECT_NE(told.step(known).loss.item<double>(), asked.step(kSequences).loss.item<double>());
  cut(known[0], 1);
  EXPECT_EQ(known[0].teacher_states.size(0), 1);
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
