// Whole small runs: what they open, that they repeat, and that every source of rollouts and every part trained works.
#include "distiller/language/runs.h"

#include <gtest/gtest.h>

#include <sstream>

#include "core/error.h"
#include "journal/run_folder.h"
#include "language/load_language_model.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/tiny_language_model.h"

namespace drystill::distiller {
namespace {

class LanguageRuns : public ::testing::Test {
 protected:
  LanguageRuns() { drystill::testing::write_tiny_language_model(folder_ / "teacher", 1, 4); }

  DistillLanguageModel options() {
    DistillLanguageModel options;
    options.run.device = "cpu";
    options.run.threads = 1;
    options.run.loop = {.epochs = 2, .epoch_steps = 2, .log_every = 1};
    options.teacher.model = (folder_ / "teacher").string();
    options.student.layers = {0, 3};
    options.rollout.prompts = generator::VocabStartPrompts{};
    options.rollout.sampling.max_new_tokens = 8;
    options.draw = 4;
    options.batch = 4;
    options.micro_batch = 3;
    options.longest = 64;
    options.optimizer = AdamOptions{.learning_rate = 1e-3};
    return options;
  }

  TrainingResult run(const DistillLanguageModel& options, const std::string& name) {
    auto run_folder = journal::RunFolder::create(folder_ / name, journal::OnExists::kResume, {});
    journal::Journal journal(run_folder);
    std::ostringstream sink;
    const auto progress = make_progress({.quiet = true}, sink, [] { return 0.0; });
    return distill_language_model(options, {.folder = run_folder.path(),
                                            .journal = journal,
                                            .progress = *progress,
                                            .open_dataset = {},
                                            .open_texts = [this](const std::vector<std::string>& paths) {
                                              opened_.insert(opened_.end(), paths.begin(), paths.end());
                                              return texts_;
                                            }});
  }

  torch::Tensor first_weight(const TrainingResult& result) {
    return language::load_language_model(result.model).model->parameters().front();
  }

  drystill::testing::TemporaryFolder folder_;
  std::vector<std::string> opened_;
  std::vector<std::string> texts_ = {
      "To be, or not to be, that is the question: whether it is nobler in the mind to suffer "
      "the slings and arrows of outrageous fortune."};
};

TEST_F(LanguageRuns, WithoutEvaluationNoTextIsOpened) {
  for (const generator::PromptOptions& prompts :
       {generator::PromptOptions{generator::BosPrompts{}}, generator::PromptOptions{generator::VocabStartPrompts{}},
        generator::PromptOptions{generator::RandomTokenPrompts{}}}) {
    auto with = options();
    with.rollout.prompts = prompts;
    if (std::holds_alternative<generator::RandomTokenPrompts>(prompts)) with.rollout.author = generator::Author::kFixed;
    run(with, "run" + std::to_string(prompts.index()));
  }
  EXPECT_TRUE(opened_.empty());
}

TEST_F(LanguageRuns, EvaluationOpensItsTextsOnly) {
  auto with_text = options();
  with_text.evaluation = LanguageEvaluationOptions{.texts = {"held-out"}, .window = 16, .windows = 4};
  const auto result = run(with_text, "run");
  EXPECT_EQ(opened_, std::vector<std::string>{"held-out"});
  ASSERT_EQ(result.loop.last_evaluation.front().first, "kl");
  EXPECT_GT(result.loop.last_evaluation.front().second, 0);
}

TEST_F(LanguageRuns, TheStudentIsAFolderThatLoadsAgain) {
  const auto result = run(options(), "run");
  const auto loaded = language::load_language_model(result.model);
  EXPECT_EQ(loaded.model->options().layers, 2);
  EXPECT_TRUE(
      language::same_vocabulary(loaded.tokenizer, language::load_language_model(folder_ / "teacher").tokenizer));
  ASSERT_EQ(result.counts.front().first, "tokens_written");
  EXPECT_GT(result.counts.front().second, 0);
}

TEST_F(LanguageRuns, EqualSeedsGiveEqualStudents) {
  auto other = options();
  other.run.seed = 1;
  const auto first = first_weight(run(options(), "a"));
  EXPECT_TRUE(first.equal(first_weight(run(options(), "b"))));
  EXPECT_FALSE(first.equal(first_weight(run(other, "c"))));
}

// Stopped after the first epoch and continued: rollouts, pool, bank and optimizer go on where they were.
TEST_F(LanguageRuns, AResumedRunEqualsAnUninterruptedOne) {
  auto with = options();
  with.draw = 6;  // leaves sequences waiting between steps
  with.batch = 4;
  with.replay.capacity = 16;
  with.schedule.kind = ScheduleKind::kConstant;
  with.rollout.author = generator::Author::kMixture;
  const auto straight = first_weight(run(with, "straight"));
  auto half = with;
  half.run.loop.epochs = 1;
  run(half, "resumed");
  EXPECT_TRUE(straight.equal(first_weight(run(with, "resumed"))));
}

TEST_F(LanguageRuns, EveryAuthorWrites) {
  for (const auto author : {generator::Author::kTeacher, generator::Author::kStudent, generator::Author::kMixture,
                            generator::Author::kTokenMixture}) {
    auto with = options();
    with.rollout.author = author;
    with.loss.advantage = AdvantageOptions{};
    EXPECT_EQ(run(with, "by_" + std::string(enum_name(author))).loop.steps, 4);
  }
}

TEST_F(LanguageRuns, EveryPartCanBeTrained) {
  auto lora = options();
  lora.student.layers = {};
  lora.teacher.model.clear();
  lora.student.from = (folder_ / "teacher").string();
  lora.teacher.weights = InitialTeacher{};
  lora.trainable = LoraParameters{.rank = 2, .alpha = 4};
  lora.teacher_view = {.user = "{prompt}", .chat = false};
  lora.rollout.prompts = generator::TextPrompts{.paths = {"text"}};
  lora.teacher_view = {};
  const auto adapter = run(lora, "lora");
  EXPECT_TRUE(std::filesystem::exists(adapter.model / "adapter_model.safetensors"));

  auto prefix = lora;
  prefix.trainable = KvPrefixParameters{.length = 8, .frozen = 1, .text = "text"};
  EXPECT_TRUE(std::filesystem::exists(run(prefix, "prefix").model / "kv_prefix.safetensors"));
}

TEST_F(LanguageRuns, TheWindowKeepsWhatTheCurriculumAsksFor) {
  auto with = options();
  with.candidates = 3;
  with.ramps.window_high = {.from = 0.34, .to = 1};
  with.ramps.window_low = {.from = 0, .to = 0.66};
  EXPECT_EQ(run(with, "run").loop.steps, 4);
}

TEST_F(LanguageRuns, RefusesWhatDoesNotFit) {
  auto missing = options();
  missing.teacher.model = (folder_ / "nothing").string();
  EXPECT_THROW(run(missing, "a"), InputError);
  auto layers = options();
  layers.student.layers = {0, 9};
  EXPECT_THROW(run(layers, "b"), ConfigError);
  auto other_words = options();
  drystill::testing::write_tiny_language_model(folder_ / "other", 2);
  auto text = [&] {
    std::ifstream in(folder_ / "other" / "tokenizer.json");
    return std::string(std::istreambuf_iterator<char>(in), {});
  }();
  text.replace(text.find("<|im_end|>"), 10, "<|im_nd_|>");
  std::ofstream(folder_ / "other" / "tokenizer.json") << text;
  std::ofstream(folder_ / "other" / "tokenizer_config.json") << "{}";
  other_words.student.from = (folder_ / "other").string();
  other_words.student.layers = {};
  EXPECT_THROW(run(other_words, "c"), InputError);
}

}  // namespace
}  // namespace drystill::distiller
