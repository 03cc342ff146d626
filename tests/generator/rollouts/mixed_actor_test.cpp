#include "generator/rollouts/mixed_actor.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>

#include "core/stop_request.h"
#include "tests/generator/rollouts/fakes.h"

namespace drystill::generator {
namespace {

using testing::Tokens;

constexpr double kTeacherShare = 0.5;
constexpr std::int64_t kTokens = 259;  // of the tokenizer; both models have rows behind it
const std::vector<Tokens> kTeacherPrompts = {{1, 2, 3}, {4}, {5, 6}};
const std::vector<Tokens> kStudentPrompts = {{7}, {8, 9}, {1, 2, 3, 4}};

struct World {
  std::shared_ptr<language::CausalLm> teacher = drystill::testing::padded_tiny_language_model(1, 390);
  std::shared_ptr<language::CausalLm> student = drystill::testing::padded_tiny_language_model(2, 400);
  language::PromptEncoder encoder = testing::tiny_encoder();
  LanguageMixedActor actor{language::alone(*teacher), *student, encoder};

  std::vector<MixedActor::Mixed> write(const language::SamplingOptions& options) {
    return actor.write(kTeacherPrompts, kStudentPrompts, kTeacherShare, options);
  }
};

// Log-probabilities of every token that a model may write behind a text, straight from the formula.
torch::Tensor next_token(const language::CausalLm& model, Tokens text, const Tokens& written, double temperature) {
  const torch::NoGradGuard no_grad;
  text.insert(text.end(), written.begin(), written.end());
  const auto logits = model.logits({.ids = torch::tensor(text).unsqueeze(0), .mask = {}, .positions = {}});
  return (logits[0][-1].narrow(0, 0, kTokens) / temperature).log_softmax(0);
}

torch::Tensor mixture_of(const torch::Tensor& log_teacher, const torch::Tensor& log_student) {
  return (kTeacherShare * log_teacher.exp() + (1 - kTeacherShare) * log_student.exp()).log();
}

TEST(LanguageMixedActor, WeighsEveryTokenByStudentOverMixture) {
  World world;
  for (const double temperature : {1.0, 0.7}) {
    const auto mixed = world.write({.max_new_tokens = 8, .temperature = temperature, .seed = 5});
    for (std::size_t i = 0; i < mixed.size(); ++i) {
      Tokens written;
      for (std::size_t t = 0; t < mixed[i].written.tokens.size(); ++t) {
        const std::int64_t token = mixed[i].written.tokens[t];
        ASSERT_LT(token, kTokens);
        const auto teacher = next_token(*world.teacher, kTeacherPrompts[i], written, temperature);
        const auto student = next_token(*world.student, kStudentPrompts[i], written, temperature);
        const double log_student = student[token].item<double>();
        const double expected = std::exp(log_student - mixture_of(teacher, student)[token].item<double>());
        EXPECT_NEAR(mixed[i].written.log_probabilities[t], log_student, 2e-3);
        EXPECT_NEAR(mixed[i].importance[t], expected, 2e-3 * expected + 1e-6);
        written.push_back(token);
      }
    }
  }
}

// What is cut off is not drawn: with one word left it is certain, and its weight the student's probability.
TEST(LanguageMixedActor, WeighsByTheMixtureThatWasSampled) {
  World world;
  for (const auto& one : world.write({.max_new_tokens = 4, .top_k = 1, .seed = 5})) {
    for (std::size_t t = 0; t < one.importance.size(); ++t) {
      EXPECT_NEAR(one.importance[t], std::exp(one.written.log_probabilities[t]), 1e-6);
    }
  }
}

// Many first tokens of one pair of prompts: their frequencies are the mixture's, and weighted by their importance the
// student's.
TEST(LanguageMixedActor, SamplesTheMixture) {
  constexpr std::int64_t kDraws = 20000;
  World world;
  const auto student = next_token(*world.student, {8, 9}, {}, 1).exp();
  const auto mixture = mixture_of(next_token(*world.teacher, {4}, {}, 1), student.log()).exp();
  torch::Tensor frequency = torch::zeros({kTokens}), weighted = torch::zeros({kTokens});
  const std::vector<Tokens> teacher_prompts(kDraws, Tokens{4}), student_prompts(kDraws, Tokens{8, 9});
  for (const auto& one :
       world.actor.write(teacher_prompts, student_prompts, kTeacherShare, {.max_new_tokens = 1, .seed = 3})) {
    const std::int64_t token = one.written.tokens.front();
    frequency[token] += 1.F / kDraws;
    weighted[token] += one.importance.front() / kDraws;
  }
  // Twice the expected total variation of so many draws.
  const auto bound = (mixture * (1 - mixture) / static_cast<double>(kDraws)).sqrt().sum().item<double>();
  EXPECT_LT((frequency - mixture).abs().sum().item<double>() / 2, bound);
  EXPECT_LT((weighted - student).abs().sum().item<double>() / 2, bound);
  EXPECT_GT((mixture - student).abs().sum().item<double>() / 2, 2 * bound);  // which tells the two apart
}

TEST(LanguageMixedActor, StopsAtIdsTextsAndLoops) {
  World world;
  const language::SamplingOptions free{.max_new_tokens = 24, .seed = 1};
  const auto all = world.write(free);
  const auto whole = all[0].written.tokens;
  ASSERT_GT(whole.size(), 4U);
  const auto first_of = [&](std::int64_t id) { return Tokens(whole.begin(), std::ranges::find(whole, id) + 1); };
  auto by_id = free;
  by_id.stop_ids = {whole[2]};
  const auto stopped = world.write(by_id)[0].written;
  EXPECT_TRUE(stopped.finished);
  EXPECT_EQ(stopped.tokens, first_of(whole[2]));
  // The others go on as if it were still there.
  const auto others = world.write(by_id);
  for (std::size_t i = 1; i < others.size(); ++i) {
    const auto& tokens = all[i].written.tokens;
    const auto end = std::ranges::find(tokens, whole[2]);
    EXPECT_EQ(others[i].written.tokens, Tokens(tokens.begin(), end == tokens.end() ? end : end + 1));
  }

  const auto letter = std::ranges::find_if(whole, [](std::int64_t id) { return id < 128; });
  ASSERT_NE(letter, whole.end());
  auto by_text = free;
  by_text.stop_strings = {std::string(1, static_cast<char>(*letter))};
  const auto cut = world.write(by_text)[0];
  EXPECT_TRUE(cut.written.finished);
  EXPECT_EQ(cut.written.tokens, first_of(*letter));
  EXPECT_EQ(cut.importance.size(), cut.written.tokens.size());

  // Greedy text of a tiny model soon repeats itself.
  const language::SamplingOptions greedy{.max_new_tokens = 64, .top_k = 1};
  auto without_loops = greedy;
  without_loops.loop_repeats = 3;
  const auto looping = world.write(greedy), ended = world.write(without_loops);
  int loops = 0;
  for (std::size_t i = 0; i < ended.size(); ++i) {
    const Tokens& tokens = ended[i].written.tokens;
    EXPECT_TRUE(std::equal(tokens.begin(), tokens.end(), looping[i].written.tokens.begin()));
    loops += ended[i].written.finished && tokens.size() < looping[i].written.tokens.size() ? 1 : 0;
  }
  EXPECT_GT(loops, 0);
}

// A prefix that is some text's keys and values stands for that text before every prompt of the student.
TEST(LanguageMixedActor, TheStudentSeesItsPrefix) {
  World world;
  const Tokens context = {11, 12, 13, 14};
  const auto prefix = language::KvPrefix::from_text(*world.student, torch::tensor(context));
  LanguageMixedActor behind_prefix{language::alone(*world.teacher), *world.student, world.encoder, prefix.get()};
  std::vector<Tokens> in_context;
  for (const Tokens& prompt : kStudentPrompts) {
    in_context.push_back(context);
    in_context.back().insert(in_context.back().end(), prompt.begin(), prompt.end());
  }
  const language::SamplingOptions options{.max_new_tokens = 8, .seed = 5};
  const auto expected = world.actor.write(kTeacherPrompts, in_context, kTeacherShare, options);
  const auto got = behind_prefix.write(kTeacherPrompts, kStudentPrompts, kTeacherShare, options);
  const auto without = world.write(options);
  double change = 0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    ASSERT_EQ(got[i].written.tokens, expected[i].written.tokens);
    for (std::size_t t = 0; t < got[i].importance.size(); ++t) {
      EXPECT_NEAR(got[i].written.log_probabilities[t], expected[i].written.log_probabilities[t], 2e-3);
    }
    change = std::max<double>(change, std::abs(got[i].importance[0] - without[i].importance[0]));
  }
  EXPECT_GT(change, 1e-3);
}

TEST(LanguageMixedActor, StopsWhereASignalAsks) {
  World world;
  request_stop(SIGTERM);
  EXPECT_THROW(world.write({.max_new_tokens = 4}), Interrupted);
  request_stop(0);
}

}  // namespace
}  // namespace drystill::generator
