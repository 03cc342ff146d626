#include <ATen/ops/log_softmax.h>
#include <gtest/gtest.h>

#include "distiller/language/evaluator.h"
#include "tests/generator/rollouts/fakes.h"
#include "tests/support/tiny_language_model.h"

namespace drystill::distiller {
namespace {

using drystill::testing::tiny_language_model;

constexpr std::int64_t kWindow = 6;
constexpr char kText[] = "the quick brown fox jumps over the lazy dog";

TextEvaluator evaluator() {
  return TextEvaluator({.texts = {}, .window = kWindow, .windows = 3}, {kText},
                       generator::testing::tiny_encoder().tokenizer());
}

// log p of what follows, of the same windows: at the text's begin, middle and end.
torch::Tensor log_probs(const language::CausalLm& model, const torch::Tensor& windows) {
  const torch::NoGradGuard no_grad;
  return at::log_softmax(
      model.logits({.ids = windows.narrow(1, 0, kWindow - 1), .mask = {}, .positions = {}}).to(torch::kDouble), -1);
}

torch::Tensor windows() {
  const auto tokens = torch::tensor(generator::testing::bytes_of(kText), torch::kInt64);
  const std::int64_t room = tokens.size(0) - kWindow;
  return torch::stack(
      {tokens.narrow(0, 0, kWindow), tokens.narrow(0, room / 2, kWindow), tokens.narrow(0, room, kWindow)});
}

double mean_loss(const torch::Tensor& log_p) {
  return -log_p.gather(2, windows().narrow(1, 1, kWindow - 1).unsqueeze(2)).mean().item<double>();
}

TEST(TextEvaluator, MeasuresWhatTheDefinitionsSay) {
  const LanguageStudent student(tiny_language_model(2));
  const auto first = tiny_language_model(1), second = tiny_language_model(3);
  const torch::Tensor q = log_probs(*student.model(), windows());
  const torch::Tensor one = log_probs(*first, windows()), other = log_probs(*second, windows());
  const torch::Tensor both = (one.exp() * 0.25 + other.exp() * 0.75).log();

  const EvaluationTeacher alone{.models = language::alone(*first)};
  const EvaluationTeacher ensemble{.models = {.models = {first.get(), second.get()}, .shares = {1, 3}}};
  for (const auto& [teacher, p] : {std::pair{&alone, one}, std::pair{&ensemble, both}}) {
    const TextEvaluation result = evaluator().evaluate(student, teacher);
    EXPECT_EQ(result.tokens, 3 * (kWindow - 1));
    EXPECT_NEAR(result.perplexity, std::exp(mean_loss(q)), 1e-3);
    ASSERT_TRUE(result.comparison);
    EXPECT_NEAR(result.comparison->kl, (p.exp() * (p - q)).sum(-1).mean().item<double>(), 1e-5);
    EXPECT_NEAR(result.comparison->teacher_perplexity, std::exp(mean_loss(p)), 1e-3);
    EXPECT_DOUBLE_EQ(result.comparison->agreement,
                     (p.argmax(-1) == q.argmax(-1)).to(torch::kDouble).mean().item<double>());
  }
  EXPECT_FALSE(evaluator().evaluate(student, nullptr).comparison);
}

TEST(TextEvaluator, AsksATeacherThatStaysOnce) {
  const LanguageStudent student(tiny_language_model(2));
  for (const bool stays : {false, true}) {
    const auto model = tiny_language_model(1);
    const EvaluationTeacher teacher{.models = language::alone(*model), .stays = stays};
    TextEvaluator texts = evaluator();
    const double before = texts.evaluate(student, &teacher).comparison->kl;
    EXPECT_EQ(texts.evaluate(student, &teacher).comparison->kl, before);
    const torch::NoGradGuard no_grad;
    model->parameters().at(1).mul_(-1);  // a layer, not the embeddings, which are the head as well
    EXPECT_EQ(texts.evaluate(student, &teacher).comparison->kl == before, stays);
  }
}

}  // namespace
}  // namespace drystill::distiller
