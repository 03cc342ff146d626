#include "language/sampling/generate.h"

#include <ATen/ops/log_softmax.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

#include <csignal>

#include "core/error.h"
#include "core/seeds.h"
#include "core/stop_request.h"
#include "language/tokenizer/load_tokenizer.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/tiny_language_model.h"

namespace drystill::language {
namespace {

using Prompt = std::vector<std::int64_t>;

struct World {
  std::shared_ptr<CausalLm> model;
  InferenceEngine engine;
};

World small_world(std::vector<std::int64_t> eos = {}) {
  const c10::NoGradGuard no_gradient;
  TransformerOptions options = defaults_of(Family::kLlama);
  options.vocab_size = 60;
  options.hidden_size = 32;
  options.layers = 2;
  options.heads = options.kv_heads = 2;
  options.head_dim = 16;
  options.intermediate_size = 64;
  options.max_positions = 100;
  options.eos_tokens = std::move(eos);
  auto model = std::make_shared<CausalLm>(options);
  SeedStreams seeds(7);
  model->initialise(seeds.cpu_stream("weights"));
  for (auto& item : model->named_parameters()) {
    if (item.value().dim() == 2) item.value().mul_(8);
  }
  return {model, InferenceEngine(*model)};
}

const std::vector<Prompt> kPrompts = {{1, 2, 3}, {4}, {1, 2, 3}, {5, 6, 7, 8, 9, 10}, {11, 12}, {4}, {20, 30, 40}};

std::string letters(std::span<const std::int64_t> ids) {
  std::string text;
  for (const std::int64_t id : ids) text += static_cast<char>('A' + id);
  return text;
}

void expect_same(const std::vector<Completion>& a, const std::vector<Completion>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a[i].ids, b[i].ids) << i;
    EXPECT_EQ(a[i].log_probs, b[i].log_probs) << i;
    EXPECT_EQ(a[i].reason, b[i].reason) << i;
  }
}

TEST(Generate, GreedyIsTheArgmaxOfTheModel) {
  const World world = small_world();
  const auto completions = generate(world.engine, kPrompts, {.max_new_tokens = 12, .temperature = 0});
  const c10::NoGradGuard no_gradient;
  for (std::size_t i = 0; i < kPrompts.size(); ++i) {
    Prompt ids = kPrompts[i];
    ASSERT_EQ(completions[i].ids.size(), 12U);
    EXPECT_EQ(completions[i].reason, FinishReason::kLength);
    for (std::size_t t = 0; t < 12; ++t) {
      const torch::Tensor logits =
          world.model->logits({.ids = at::tensor(ids, torch::kInt64).unsqueeze(0), .mask = {}, .positions = {}})[0][-1];
      ASSERT_EQ(completions[i].ids[t], logits.argmax().item<std::int64_t>()) << i << " " << t;
      EXPECT_NEAR(completions[i].raw_log_probs[t], at::log_softmax(logits, 0).max().item<float>(), 1e-4);
      ids.push_back(completions[i].ids[t]);
    }
  }
}

TEST(Generate, TextDependsOnNeitherBatchNorOrder) {
  const World world = small_world({3});
  const SamplingOptions options{.max_new_tokens = 40, .temperature = 1.2, .top_p = 0.98, .seed = 9};
  const auto together = generate(world.engine, kPrompts, options);
  for (const std::int64_t batch : {1, 2, 3}) {
    expect_same(generate(world.engine, kPrompts, options, {.batch = batch}), together);
  }
  for (std::size_t i = 0; i < kPrompts.size(); ++i) {
    const auto alone = generate(world.engine, std::span(kPrompts).subspan(i, 1), options,
                                {.first_sequence = static_cast<std::int64_t>(i)});
    expect_same(alone, {together[i]});
  }
  EXPECT_NE(together[0].ids, together[2].ids);  // one prompt, two streams
  SamplingOptions other = options;
  other.seed = 10;
  EXPECT_NE(generate(world.engine, kPrompts, other)[0].ids, together[0].ids);
}

// Ids that no token stands for are not sampled, and the log-probabilities are those of the others among themselves.
TEST(Generate, SamplesWritableIdsOnly) {
  const drystill::testing::TemporaryFolder folder;
  drystill::testing::write_tiny_tokenizer(folder.path());
  const auto tokenizer = load_tokenizer(folder.path());
  const auto model = drystill::testing::padded_tiny_language_model(1, 390);
  const InferenceEngine engine(*model);
  const SamplingOptions options{.max_new_tokens = 24, .seed = 4};
  const auto largest = [](const std::vector<Completion>& completions) {
    std::int64_t id = 0;
    for (const Completion& completion : completions) id = std::max(id, std::ranges::max(completion.ids));
    return id;
  };
  EXPECT_GE(largest(generate(engine, kPrompts, options)), 259);
  EXPECT_LT(largest(generate(engine, kPrompts, options, {.writable = WritableIds(tokenizer, 50)})), 50);
  const auto completions = generate(engine, kPrompts, options, {.writable = WritableIds(tokenizer)});
  EXPECT_LT(largest(completions), 259);
  const c10::NoGradGuard no_gradient;
  for (std::size_t i = 0; i < kPrompts.size(); ++i) {
    Prompt ids = kPrompts[i];
    for (std::size_t t = 0; t < completions[i].ids.size(); ++t) {
      const torch::Tensor logits =
          model->logits({.ids = at::tensor(ids, torch::kInt64).unsqueeze(0), .mask = {}, .positions = {}})[0][-1];
      const torch::Tensor expected = at::log_softmax(logits.narrow(0, 0, 259), 0)[completions[i].ids[t]];
      EXPECT_NEAR(completions[i].log_probs[t], expected.item<float>(), 1e-3);
      ids.push_back(completions[i].ids[t]);
    }
  }
}

TEST(WritableIds, LeaveOutHolesAndWhatIsBehindTheLastToken) {
  TokenizerParts parts;
  for (const char* token : {"a", "", "c", "", "e"}) {
    parts.tokens.push_back(*token == 0 ? std::nullopt : std::optional<std::string>(token));
  }
  const Tokenizer tokenizer(std::move(parts));
  const auto written = [&](std::int64_t rows, std::int64_t words) {
    torch::Tensor logits = at::zeros({2, rows});
    WritableIds(tokenizer, words).restrict(logits);
    std::vector<std::int64_t> ids;
    for (std::int64_t id = 0; id < rows; ++id) {
      EXPECT_TRUE(logits[0][id].equal(logits[1][id]));
      if (logits[0][id].item<float>() == 0) ids.push_back(id);
    }
    return ids;
  };
  EXPECT_EQ(written(7, 100), (Prompt{0, 2, 4}));
  EXPECT_EQ(written(7, 4), (Prompt{0, 2}));
  EXPECT_EQ(written(3, 100), (Prompt{0, 2}));
  EXPECT_EQ(written(1, 100), (Prompt{0}));
}

TEST(Generate, LogProbsAreThoseOfTheModel) {
  const World world = small_world();
  const auto completions = generate(world.engine, kPrompts, {.max_new_tokens = 20, .seed = 1});
  for (std::size_t i = 0; i < kPrompts.size(); ++i) {
    Prompt ids = kPrompts[i];
    ids.insert(ids.end(), completions[i].ids.begin(), completions[i].ids.end());
    const auto scores = world.engine.token_log_probs(ids);
    for (std::size_t t = 0; t < 20; ++t) {
      EXPECT_NEAR(completions[i].log_probs[t], scores[kPrompts[i].size() - 1 + t], 1e-5);
      EXPECT_NEAR(completions[i].raw_log_probs[t], completions[i].log_probs[t], 1e-5);
    }
  }
}

TEST(Generate, KeptStatesAreWhatEachTokenWasPredictedFrom) {
  const c10::NoGradGuard no_gradient;
  const World world = small_world({3});
  const SamplingOptions options{.max_new_tokens = 20, .temperature = 1.2, .seed = 1};
  const auto completions = generate(world.engine, kPrompts, options, {.batch = 3, .keep_states = true});
  for (std::size_t i = 0; i < kPrompts.size(); ++i) {
    Prompt ids = kPrompts[i];
    ids.insert(ids.end(), completions[i].ids.begin(), completions[i].ids.end());
    const auto hidden =
        world.model->hidden({.ids = at::tensor(ids, torch::kInt64).unsqueeze(0), .mask = {}, .positions = {}})[0];
    const auto expected = hidden.narrow(0, std::ssize(kPrompts[i]) - 1, std::ssize(completions[i].ids));
    ASSERT_EQ(completions[i].states.sizes(), expected.sizes());
    EXPECT_LT((completions[i].states - expected).abs().max().item<float>(), 1e-3);
  }
  EXPECT_FALSE(generate(world.engine, kPrompts, options)[0].states.defined());
}

TEST(Generate, StopIdsOfModelAndOptions) {
  for (const bool of_model : {true, false}) {
    const World world = small_world(of_model ? std::vector<std::int64_t>{3, 17} : std::vector<std::int64_t>{});
    SamplingOptions options{.max_new_tokens = 90, .temperature = 3};
    if (!of_model) options.stop_ids = {3, 17};
    int stopped = 0;
    for (const Completion& completion : generate(world.engine, kPrompts, options)) {
      for (std::size_t t = 0; t < completion.ids.size(); ++t) {
        const bool stop = completion.ids[t] == 3 || completion.ids[t] == 17;
        EXPECT_EQ(stop, t + 1 == completion.ids.size() && completion.reason == FinishReason::kStopId);
      }
      stopped += completion.reason == FinishReason::kStopId;
    }
    EXPECT_GT(stopped, 3);
    options.min_new_tokens = 60;
    for (const Completion& completion : generate(world.engine, kPrompts, options))
      EXPECT_GE(completion.ids.size(), 60U);
  }
}

TEST(Generate, StopStringsAndLoops) {
  const World world = small_world();
  SamplingOptions options{.max_new_tokens = 90, .temperature = 2};
  const auto whole = generate(world.engine, kPrompts, options, {.decode = letters});
  const std::string text = letters(whole[3].ids), stop = text.substr(20, 2);
  options.stop_strings = {"not in there, ever", stop};
  const auto stopped = generate(world.engine, kPrompts, options, {.decode = letters});
  EXPECT_EQ(stopped[3].reason, FinishReason::kStopString);
  EXPECT_EQ(letters(stopped[3].ids), text.substr(0, text.find(stop) + 2));
  EXPECT_THROW(generate(world.engine, kPrompts, options), ConfigError);

  // Greedy text of a small model falls into a loop.
  const auto loops = generate(world.engine, kPrompts, {.max_new_tokens = 90, .temperature = 0, .loop_repeats = 3});
  int found = 0;
  for (const Completion& completion : loops) {
    found += completion.reason == FinishReason::kLoop;
    EXPECT_EQ(ends_in_loop(completion.ids, 3, 32), completion.reason == FinishReason::kLoop);
  }
  EXPECT_GT(found, 0);
}

TEST(Generate, EndsInLoop) {
  const std::vector<std::int64_t> ids = {9, 1, 2, 1, 2, 1, 2};
  EXPECT_TRUE(ends_in_loop(ids, 3, 2));
  EXPECT_FALSE(ends_in_loop(ids, 3, 1));
  EXPECT_FALSE(ends_in_loop(ids, 4, 32));
  EXPECT_FALSE(ends_in_loop(ids, 0, 32));
  EXPECT_TRUE(ends_in_loop(std::vector<std::int64_t>{5, 5}, 2, 1));
  EXPECT_FALSE(ends_in_loop({}, 2, 4));
}

TEST(Generate, TellsTokensAndProgress) {
  const World world = small_world({3});
  std::vector<std::vector<std::int64_t>> heard(kPrompts.size());
  std::vector<int> ends(kPrompts.size());
  const auto completions =
      generate(world.engine, kPrompts, {.max_new_tokens = 15}, {.batch = 2, .on_token = [&](const TokenEvent& event) {
                                                                  heard[event.sequence].push_back(event.id);
                                                                  ends[event.sequence] += event.last;
                                                                }});
  for (std::size_t i = 0; i < kPrompts.size(); ++i) {
    EXPECT_EQ(heard[i], completions[i].ids);
    EXPECT_EQ(ends[i], 1);
  }
}

TEST(Generate, RefusesWhatDoesNotFit) {
  const World world = small_world();
  const auto run = [&](const std::vector<Prompt>& prompts, const SamplingOptions& options) {
    return generate(world.engine, prompts, options);
  };
  EXPECT_TRUE(run({}, {}).empty());
  EXPECT_THROW(run({{1}, {}}, {.max_new_tokens = 5}), InputError);
  EXPECT_THROW(run({{60}}, {.max_new_tokens = 5}), InputError);
  EXPECT_THROW(run({{-1}}, {.max_new_tokens = 5}), InputError);
  EXPECT_THROW(run({{1, 2}}, {.max_new_tokens = 99}), InputError);
  EXPECT_EQ(run({{1, 2}}, {.max_new_tokens = 98}).at(0).ids.size(), 98U);
  EXPECT_THROW(run({{1}}, {.max_new_tokens = std::numeric_limits<std::int64_t>::max()}), InputError);
  EXPECT_THROW(run({{1}}, {.max_new_tokens = 5, .top_p = -1}), ConfigError);
  request_stop(SIGTERM);
  EXPECT_THROW(run({{1}}, {.max_new_tokens = 5}), Interrupted);
  request_stop(0);
}

}  // namespace
}  // namespace drystill::language
