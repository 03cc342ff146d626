#include "generator/rollouts/mixture_actor.h"

#include <gtest/gtest.h>

#include "generator/rollouts/language_actor.h"
#include "tests/generator/rollouts/fakes.h"

namespace drystill::generator {
namespace {

using testing::Tokens;

const std::vector<Tokens> kPrompts = {{1, 2, 3}, {4}, {5, 6}};

struct Models {
  std::shared_ptr<language::CausalLm> a = drystill::testing::tiny_language_model(1);
  std::shared_ptr<language::CausalLm> b = drystill::testing::tiny_language_model(2, 3, /*more_words=*/2);
  language::PromptEncoder encoder = testing::tiny_encoder();
};

// The mixture's next-token distribution behind a text, straight from the formula.
torch::Tensor distribution(const Models& models, const Tokens& text, double share, language::MixtureMean mean) {
  const torch::NoGradGuard no_grad;
  const auto last = [&](const language::CausalLm& model) {
    const auto logits = model.logits({.ids = torch::tensor(text).unsqueeze(0), .mask = {}, .positions = {}});
    return logits.select(1, logits.size(1) - 1).squeeze(0).narrow(0, 0, 259).log_softmax(0);
  };
  const auto a = last(*models.a), b = last(*models.b);
  if (mean == language::MixtureMean::kProbabilities) return (share * a.exp() + (1 - share) * b.exp()).log();
  return (share * a + (1 - share) * b).log_softmax(0);
}

TEST(MixtureActor, OfOneModelWritesWhatTheModelWrites) {
  const Models models;
  MixtureActor mixture(language::alone(*models.a), models.encoder, 64);
  LanguageActor alone(*models.a, models.encoder);
  for (const double temperature : {0.0, 0.7}) {
    const language::SamplingOptions options{.max_new_tokens = 12, .temperature = temperature, .seed = 3};
    const auto found = mixture.write(kPrompts, options), expected = alone.write(kPrompts, options);
    for (std::size_t i = 0; i < kPrompts.size(); ++i) {
      EXPECT_EQ(found[i].tokens, expected[i].tokens);
      EXPECT_EQ(found[i].finished, expected[i].finished);
      for (std::size_t t = 0; t < found[i].tokens.size(); ++t) {
        EXPECT_NEAR(found[i].log_probabilities[t], expected[i].log_probabilities[t], 1e-4);
      }
    }
  }
}

TEST(MixtureActor, SamplesTheMean) {
  const Models models;
  for (const auto mean : {language::MixtureMean::kProbabilities, language::MixtureMean::kLogProbabilities}) {
    MixtureActor actor({.models = {models.a.get(), models.b.get()}, .shares = {1, 3}, .mean = mean}, models.encoder,
                       64);
    const auto written = actor.write(kPrompts, {.max_new_tokens = 6, .seed = 5});
    for (std::size_t i = 0; i < kPrompts.size(); ++i) {
      Tokens text = kPrompts[i];
      for (std::size_t t = 0; t < written[i].tokens.size(); ++t) {
        const std::int64_t token = written[i].tokens[t];
        EXPECT_NEAR(written[i].log_probabilities[t], distribution(models, text, 0.25, mean)[token].item<double>(),
                    1e-3);
        text.push_back(token);
      }
    }
    const auto greedy = actor.write(kPrompts, {.max_new_tokens = 1, .temperature = 0});
    EXPECT_EQ(greedy[0].tokens[0], distribution(models, kPrompts[0], 0.25, mean).argmax().item<std::int64_t>());
  }
}

TEST(MixtureActor, WritesTheSameForAnyBatch) {
  const Models models;
  const language::ModelMixture mixture{.models = {models.a.get(), models.b.get()}, .shares = {1, 3}};
  const language::SamplingOptions options{.max_new_tokens = 12, .seed = 3};
  const auto together = MixtureActor(mixture, models.encoder, 64).write(kPrompts, options);
  const auto apart = MixtureActor(mixture, models.encoder, 2).write(kPrompts, options);
  for (std::size_t i = 0; i < kPrompts.size(); ++i) EXPECT_EQ(together[i].tokens, apart[i].tokens);
}

TEST(MixtureActor, RefusesWhatPassesTheModelsPositions) {
  const Models models;
  MixtureActor actor(language::alone(*models.a), models.encoder, 64);
  const std::vector<Tokens> prompts = {Tokens(static_cast<std::size_t>(models.a->options().max_positions), 1)};
  EXPECT_THROW(actor.write(prompts, {.max_new_tokens = 1}), InputError);
  EXPECT_THROW(actor.write(std::vector<Tokens>{{}}, {.max_new_tokens = 1}), InputError);
}

// A third of what these models would write has no token, or no row in the other model.
TEST(MixtureActor, WritesNoPadding) {
  const auto a = drystill::testing::padded_tiny_language_model(1, 390);
  const auto b = drystill::testing::padded_tiny_language_model(2, 400);
  const language::PromptEncoder encoder = testing::tiny_encoder();
  const language::SamplingOptions options{.max_new_tokens = 24, .seed = 3};
  MixtureActor mixture({.models = {a.get(), b.get()}, .shares = {1, 1}}, encoder, 64);
  LanguageActor whole(*a, encoder), fewer(*a, encoder, {.words = 100});
  MixtureActor mixture_of_fewer({.models = {a.get(), b.get()}, .shares = {1, 1}}, encoder, 64, /*words=*/100);
  for (const auto& [actor, words] : std::vector<std::pair<Actor*, std::int64_t>>{
           {&mixture, 259}, {&whole, 259}, {&fewer, 100}, {&mixture_of_fewer, 100}}) {
    for (const Written& written : actor->write(kPrompts, options)) {
      for (const std::int64_t id : written.tokens) EXPECT_LT(id, words);
    }
  }
}

TEST(MixtureActor, StopsAtIdsAndTexts) {
  const Models models;
  MixtureActor actor({.models = {models.a.get(), models.b.get()}, .shares = {1, 1}}, models.encoder, 64);
  const language::SamplingOptions free{.max_new_tokens = 16, .seed = 1};
  const auto whole = actor.write(kPrompts, free)[0].tokens;
  ASSERT_GT(whole.size(), 4U);
  auto by_id = free;
  by_id.stop_ids = {whole[2]};
  const auto stopped = actor.write(kPrompts, by_id)[0];
  EXPECT_TRUE(stopped.finished);
  EXPECT_LE(stopped.tokens.size(), 3U);
  EXPECT_EQ(stopped.tokens.back(), whole[2]);
  const auto first_ascii = std::ranges::find_if(whole, [](std::int64_t id) { return id < 128; });
  ASSERT_NE(first_ascii, whole.end());
  auto by_text = free;
  by_text.stop_strings = {std::string(1, static_cast<char>(*first_ascii))};
  const auto cut = actor.write(kPrompts, by_text)[0];
  EXPECT_TRUE(cut.finished);
  EXPECT_EQ(cut.tokens, Tokens(whole.begin(), first_ascii + 1));
}

}  // namespace
}  // namespace drystill::generator
