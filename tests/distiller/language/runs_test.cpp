// Whole small runs: what they open, that they repeat, and that every source of rollouts and every part trained works.
#include "distiller/language/runs.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "core/error.h"
#include "distiller/language/synthesize.h"
#include "journal/metrics_reader.h"
#include "journal/run_folder.h"
#include "language/adapters/lora.h"
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

  SynthesizedText synthesize(const DistillLanguageModel& options, const std::string& name, std::int64_t count,
                             std::int64_t k) {
    std::ostringstream sink;
    const auto progress = make_progress({.quiet = true}, sink, [] { return 0.0; });
    return synthesize_text(
        options, {.folder = folder_ / name, .count = count, .top_k = k},
        [this](const std::vector<std::string>& paths) {
          opened_.insert(opened_.end(), paths.begin(), paths.end());
          return texts_;
        },
        *progress);
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

// An initial teacher is what the student began as, not the model that it came from; one that moved is gone.
TEST_F(LanguageRuns, EvaluatesAgainstTheTeacherThatTheRunHad) {
  auto with_text = options();
  with_text.evaluation = LanguageEvaluationOptions{.texts = {"held-out"}, .window = 16, .windows = 4};
  const auto open = [this](const std::vector<std::string>&) { return texts_; };
  with_text.teacher.weights = InitialTeacher{};
  const auto initial = run(with_text, "initial");
  EXPECT_EQ(evaluate_language_model(with_text, initial.model.string(), open).metrics, initial.loop.last_evaluation);
  with_text.teacher.weights = EmaTeacher{};
  const auto moved = run(with_text, "ema");
  EXPECT_EQ(evaluate_language_model(with_text, moved.model.string(), open).metrics.front().first, "perplexity");
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

// Plain text is read from the files that it names alone, and goes on where it was.
TEST_F(LanguageRuns, PlainTextStandsBesideWhatIsWritten) {
  auto with = options();
  with.schedule.kind = ScheduleKind::kConstant;
  with.plain_text = PlainTextOptions{.paths = {"plain"}, .batch = 3, .length = 16};
  const auto straight = first_weight(run(with, "straight"));
  EXPECT_EQ(opened_, std::vector<std::string>{"plain"});
  auto half = with;
  half.run.loop.epochs = 1;
  run(half, "resumed");
  EXPECT_TRUE(straight.equal(first_weight(run(with, "resumed"))));
  auto without = with;
  without.plain_text.reset();
  EXPECT_FALSE(straight.equal(first_weight(run(without, "without"))));
  const auto series = journal::to_series(journal::read_events(folder_ / "straight" / "metrics.jsonl"));
  const auto* losses = journal::find_series(series, "generator", "plain_text_loss");
  ASSERT_NE(losses, nullptr);
  EXPECT_EQ(losses->points.size(), 4U);
  for (const auto& point : losses->points) EXPECT_GT(point.value, 1);
}

// A prefix that seeks disagreement: what it writes depends on all its steps, so a resumed run tells whether they are
// kept.
TEST_F(LanguageRuns, AResumedAdversaryGoesOnWhereItWas) {
  auto with = options();
  with.schedule.kind = ScheduleKind::kConstant;
  with.draw = 6;
  with.rollout.adversarial_prefix = generator::AdversarialPrefixOptions{.length = 4};
  const auto straight = first_weight(run(with, "straight"));
  auto half = with;
  half.run.loop.epochs = 1;
  run(half, "resumed");
  EXPECT_TRUE(straight.equal(first_weight(run(with, "resumed"))));
  auto without = with;
  without.rollout.adversarial_prefix.reset();
  EXPECT_FALSE(straight.equal(first_weight(run(without, "plain"))));
}

TEST_F(LanguageRuns, AnAdversaryWritesForEveryKindOfTeacher) {
  for (const TeacherWeights& weights : {TeacherWeights{EmaTeacher{}}, TeacherWeights{LiveTeacher{}}}) {
    auto with = options();
    with.teacher.weights = weights;
    with.run.precision.bfloat16 = std::holds_alternative<LiveTeacher>(weights);
    with.rollout.adversarial_prefix = generator::AdversarialPrefixOptions{.length = 4};
    EXPECT_EQ(run(with, "weights_" + std::to_string(weights.index())).loop.steps, 4);
  }
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

// One tokenizer, embeddings padded to different sizes: nobody writes an id that the other cannot read.
TEST_F(LanguageRuns, NoAuthorWritesPadding) {
  for (const auto& [name, words] : std::map<std::string, std::int64_t>{{"less", 320}, {"more", 400}}) {
    language::save_causal_lm(folder_ / name, *drystill::testing::padded_tiny_language_model(5, words));
    drystill::testing::write_tiny_tokenizer(folder_ / name);
  }
  for (const auto& [teacher, student] : {std::pair("teacher", "more"), std::pair("more", "less")}) {
    for (const auto author : {generator::Author::kTeacher, generator::Author::kStudent, generator::Author::kMixture,
                              generator::Author::kTokenMixture}) {
      auto with = options();
      with.teacher.model = (folder_ / teacher).string();
      with.student = {.from = (folder_ / student).string(), .layers = {}};
      with.rollout.author = author;
      with.rollout.mixture_per = generator::MixtureUnit::kSequence;
      const std::string name = std::string(teacher) + "_by_" + std::string(enum_name(author));
      EXPECT_EQ(run(with, name).loop.steps, 4);
      synthesize(with, name + "_records", 16, 0);
      std::ifstream in(folder_ / (name + "_records") / "records.jsonl");
      for (std::string line; std::getline(in, line);) {
        const auto completion = nlohmann::json::parse(line).at("completion").get<std::vector<std::int64_t>>();
        EXPECT_FALSE(completion.empty()) << name;
        for (const std::int64_t id : completion) EXPECT_LT(id, 259) << name;
      }
    }
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
  EXPECT_FALSE(std::filesystem::exists(adapter.model / "base")) << "the model below it is in a file already";
}

// What lost layers is in no file: it is left beside the adapter, which names it.
TEST_F(LanguageRuns, AnAdapterOfAModelThatIsInNoFileBringsIt) {
  auto lora = options();
  lora.trainable = LoraParameters{.rank = 2, .alpha = 4};
  const auto folder = run(lora, "lora").model;
  const auto base = language::load_language_model(folder / "base");
  EXPECT_EQ(base.model->options().layers, 2);
  const auto whole = language::load_language_model(folder_ / "teacher");
  EXPECT_TRUE(base.model->named_parameters()["model.layers.1.mlp.up_proj.weight"].equal(
      whole.model->named_parameters()["model.layers.3.mlp.up_proj.weight"]));
  std::ifstream config(folder / "adapter_config.json");
  EXPECT_EQ(nlohmann::json::parse(config).at("base_model_name_or_path"), (folder / "base").string());
  EXPECT_NO_THROW(language::LoraAdapter::load(folder, base.model));
}

TEST_F(LanguageRuns, TheWindowKeepsWhatTheCurriculumAsksFor) {
  auto with = options();
  with.candidates = 3;
  with.ramps.window_high = {.from = 0.34, .to = 1};
  with.ramps.window_low = {.from = 0, .to = 0.66};
  EXPECT_EQ(run(with, "run").loop.steps, 4);
}

// One step on the same sequences: all words cached are the live teacher, k of them its likeliest.
TEST_F(LanguageRuns, ACachedTeacherIsTheLiveOne) {
  for (const std::int64_t k : {std::int64_t{259}, std::int64_t{6}}) {
    auto live = options();
    live.run.loop = {.epochs = 1, .epoch_steps = 1, .log_every = 1};
    live.optimizer = SgdOptions{.learning_rate = 0.5, .momentum = 0, .weight_decay = 0};
    if (k < 259) live.loss.divergence.support = kernels::TokenSupport::kTeacherTopK;
    live.loss.divergence.k = k;
    const auto name = std::to_string(k);
    const auto written = synthesize(live, name + "_cache", 4, k);
    EXPECT_EQ(written.sequences, 4);
    EXPECT_EQ(written.mean_tail > 1e-4, k < 259);

    auto cached = live;
    cached.student.from = cached.teacher.model;
    cached.teacher = {.model = "", .weights = CachedTeacher{.file = (folder_ / (name + "_cache")).string()}};
    cached.loss.divergence.support = kernels::TokenSupport::kTeacherTopK;
    const auto expected = first_weight(run(live, name + "_live")), found = first_weight(run(cached, name + "_cached"));
    EXPECT_LT((found - expected).abs().max().item<double>(), 1e-5);
    auto none = cached;
    none.optimizer = SgdOptions{.learning_rate = 1e-12, .momentum = 0, .weight_decay = 0};
    EXPECT_GT((found - first_weight(run(none, name + "_none"))).abs().max().item<double>(), 1e-3);
  }
  EXPECT_TRUE(opened_.empty());
}

TEST_F(LanguageRuns, ACachedRunResumesAndReportsPerplexity) {
  auto with = options();
  with.loss.divergence.support = kernels::TokenSupport::kTeacherTopK;
  with.loss.divergence.k = 6;
  synthesize(with, "cache", 10, 6);
  with.student.from = with.teacher.model;
  with.teacher = {.model = "", .weights = CachedTeacher{.file = (folder_ / "cache").string()}};
  with.schedule.kind = ScheduleKind::kConstant;
  with.evaluation = LanguageEvaluationOptions{.texts = {"held-out"}, .window = 16, .windows = 4};
  const auto straight = run(with, "straight");
  ASSERT_EQ(straight.loop.last_evaluation.size(), 1U);
  EXPECT_EQ(straight.loop.last_evaluation.front().first, "perplexity");
  auto half = with;
  half.run.loop.epochs = 1;
  run(half, "resumed");
  EXPECT_TRUE(first_weight(straight).equal(first_weight(run(with, "resumed"))));

  auto more = with;
  more.loss.divergence.k = 7;
  EXPECT_THROW(run(more, "more"), ConfigError);
  EXPECT_THROW(synthesize(with, "again", 4, 6), ConfigError);
}

TEST_F(LanguageRuns, RecordsAreLinesOfTokens) {
  synthesize(options(), "records", 5, 0);
  std::ifstream in(folder_ / "records" / "records.jsonl");
  int lines = 0;
  for (std::string line; std::getline(in, line); ++lines) {
    const auto record = nlohmann::json::parse(line);
    EXPECT_FALSE(record["completion"].empty());
    EXPECT_EQ(record["teacher_prompt"].size(), 1U);
    EXPECT_TRUE(record["text"].is_string());
  }
  EXPECT_EQ(lines, 5);
  EXPECT_THROW(synthesize(options(), "records", 5, 0), InputError);
}

// The teacher writes behind the bare prompt and then sees a sibling: the states that it wrote from are of another
// prompt. A bank, which brings nothing back in one step, switches them off.
TEST_F(LanguageRuns, ASiblingReachesTheTeacherThatWrote) {
  texts_ = {"{\"prompt\": \"1+1\"}\n{\"prompt\": \"2+2\"}\n"};
  auto grouped = options();
  grouped.run.loop = {.epochs = 1, .epoch_steps = 1, .log_every = 1};
  grouped.rollout.prompts = generator::FilePrompts{"sums.jsonl"};
  grouped.rollout.group = 2;
  grouped.rollout.verifier = generator::RegexVerifier{.pattern = "^"};
  grouped.teacher_view = {.user = "{prompt} as in {sibling}", .fallback_to_prompt = true};
  auto with_bank = grouped;
  with_bank.replay.capacity = 16;
  const auto found = first_weight(run(grouped, "grouped")), expected = first_weight(run(with_bank, "with_bank"));
  EXPECT_LT((found - expected).abs().max().item<double>(), 1e-6);
}

// The bank's sequences bring the teacher's words with them; all words, so nothing changes but who computes them.
TEST_F(LanguageRuns, TheBankRemembersTheTeachersWords) {
  auto without = options();
  without.replay.capacity = 16;
  without.loss.divergence.support = kernels::TokenSupport::kTeacherTopK;
  without.loss.divergence.k = 259;
  auto with = without;
  with.replay_top_k = 259;
  ASSERT_TRUE(with.problems().empty());
  const auto expected = first_weight(run(without, "without")), found = first_weight(run(with, "with"));
  EXPECT_LT((found - expected).abs().max().item<double>(), 1e-4);
}

// What the teacher wrote brings the states that it was written from, which must outlive a checkpoint: half of a draw
// waits there. Other orders of the same arithmetic, so nothing changes but how often the teacher runs.
TEST_F(LanguageRuns, ATeacherThatWritesNeedNotRunAgain) {
  auto known = options();
  known.draw = 6;
  known.schedule.kind = ScheduleKind::kConstant;
  auto asked = known;
  asked.teacher.weights = EnsembleTeacher{.others = {{.model = known.teacher.model}}};  // the same model twice
  const auto found = first_weight(run(known, "known")), expected = first_weight(run(asked, "asked"));
  EXPECT_LT((found - expected).abs().max().item<double>(), 1e-4);
  auto half = known;
  half.run.loop.epochs = 1;
  run(half, "resumed");
  EXPECT_TRUE(found.equal(first_weight(run(known, "resumed"))));
}

TEST_F(LanguageRuns, EveryTeacherTeachesAndWrites) {
  drystill::testing::write_tiny_language_model(folder_ / "other", 5, 4);
  for (const TeacherWeights& weights :
       {TeacherWeights{TrustRegionTeacher{}}, TeacherWeights{EmaTeacher{}},
        TeacherWeights{EnsembleTeacher{.others = {{.model = (folder_ / "other").string(), .share = 2}}}}}) {
    for (const auto author : {generator::Author::kTeacher, generator::Author::kTokenMixture}) {
      auto with = options();
      with.teacher.weights = weights;
      with.rollout.author = author;
      with.loss.advantage = AdvantageOptions{};
      with.gradient_checkpointing = true;
      with.run.precision.bfloat16 = author == generator::Author::kTokenMixture;
      with.evaluation = LanguageEvaluationOptions{.texts = {"held-out"}, .window = 16, .windows = 4};
      const auto result = run(with, std::to_string(weights.index()) + std::string(enum_name(author)));
      EXPECT_EQ(result.loop.steps, 4);
      EXPECT_TRUE(std::isfinite(result.loop.last_evaluation.front().second));
    }
  }
}

TEST_F(LanguageRuns, UniversalLogitNeedsNoCommonVocabulary) {
  drystill::testing::write_tiny_language_model(folder_ / "student", 5, 2, /*pairs=*/true);
  auto with = options();
  with.student = {.from = (folder_ / "student").string(), .layers = {}};
  EXPECT_THROW(run(with, "without"), InputError);
  with.loss.universal_logit = UniversalLogitOptions{};
  EXPECT_THROW(run(with, "with_divergence"), ConfigError);
  with.loss.divergence_weight = 0;
  with.loss.hidden_statistics = HiddenStatisticsOptions{.weight = 0.01};
  with.replay.capacity = 16;
  with.candidates = 2;
  with.ramps.window_high = {.from = 0.5, .to = 0.5};
  with.rollout.prompts = generator::BosPrompts{};
  with.evaluation = LanguageEvaluationOptions{.texts = {"held-out"}, .window = 16, .windows = 4};
  for (const auto author : {generator::Author::kTeacher, generator::Author::kStudent}) {
    for (const auto alignment : {TokenAlignment::kText, TokenAlignment::kPosition}) {
      with.rollout.author = author;
      with.loss.universal_logit->alignment = alignment;
      const auto name = std::string(enum_name(author)) + std::string(enum_name(alignment));
      const auto result = run(with, name);
      EXPECT_EQ(result.loop.steps, 4);
      EXPECT_EQ(result.loop.last_evaluation.front().first, "perplexity");
    }
  }
  with.rollout.author = generator::Author::kTokenMixture;
  EXPECT_THROW(run(with, "token_mixture"), ConfigError);
}

TEST(LanguageOptions, NameWhatDoesNotGoTogether) {
  const auto field_of = [](const DistillLanguageModel& options) {
    const auto problems = options.problems();
    return problems.empty() ? std::string() : problems.front().field;
  };
  DistillLanguageModel cached;
  cached.teacher.weights = CachedTeacher{.file = "f"};
  EXPECT_EQ(field_of(cached), "loss");
  cached.loss.divergence.support = kernels::TokenSupport::kTeacherTopK;
  EXPECT_EQ(field_of(cached), "");
  cached.loss.divergence.temperature = 2;
  EXPECT_EQ(field_of(cached), "loss") << "what its other words have at another temperature is not known";
  cached.loss.divergence.remainder = kernels::TokenRemainder::kRenormalise;
  EXPECT_EQ(field_of(cached), "");
  cached.loss.advantage = AdvantageOptions{};
  EXPECT_EQ(field_of(cached), "loss");
  cached.loss.advantage.reset();
  cached.loss.hidden_states = HiddenStatesOptions{};
  EXPECT_EQ(field_of(cached), "loss");
  cached.loss.hidden_states.reset();
  cached.replay.capacity = 8;
  EXPECT_EQ(field_of(cached), "replay");

  DistillLanguageModel bank;
  bank.replay_top_k = 50;
  EXPECT_EQ(field_of(bank), "replay_top_k");
  bank.loss.divergence.support = kernels::TokenSupport::kTeacherTopK;
  bank.loss.divergence.k = 50;
  EXPECT_EQ(field_of(bank), "replay_top_k") << "there is no bank";
  bank.replay.capacity = bank.batch;
  EXPECT_EQ(field_of(bank), "");
  bank.loss.hidden_states = HiddenStatesOptions{};
  EXPECT_EQ(field_of(bank), "replay_top_k");
  bank.loss.hidden_states.reset();
  bank.teacher.weights = EmaTeacher{};
  EXPECT_EQ(field_of(bank), "replay_top_k");

  DistillLanguageModel replayed;
  replayed.replay.capacity = replayed.batch - 1;
  EXPECT_EQ(field_of(replayed), "replay") << "nothing would ever come back";
  replayed.replay.capacity = replayed.batch;
  EXPECT_EQ(field_of(replayed), "");
  replayed.replay.fraction = 0;
  EXPECT_EQ(field_of(replayed), "replay") << "nothing would ever come back";
  replayed.replay.fraction = 0.5;
  replayed.replay.draw = curriculum::ReplayDraw::kCurriculum;
  EXPECT_EQ(field_of(replayed), "replay") << "a constant curriculum gives every sequence the same weight";
  replayed.curriculum = curriculum::SelfPacedOptions{};
  EXPECT_EQ(field_of(replayed), "");

  DistillLanguageModel paced;
  paced.curriculum = curriculum::SelfPacedOptions{.granularity = curriculum::Granularity::kPerBatch};
  EXPECT_EQ(field_of(paced), "curriculum");
  paced.curriculum = curriculum::SelfPacedOptions{.adversarial = {.initial = 2}};
  EXPECT_EQ(field_of(paced), "curriculum");
  paced.curriculum = curriculum::SelfPacedOptions{};
  EXPECT_EQ(field_of(paced), "");

  DistillLanguageModel ramped;
  ramped.ramps.temperature.to = 0;
  ramped.ramps.length.from = 0.5;
  EXPECT_EQ(field_of(ramped), "");
  ramped.rollout.adversarial_prefix.emplace();
  EXPECT_EQ(field_of(ramped), "ramps") << "what is drawn greedily has no gradient";
  ramped.rollout.adversarial_prefix.reset();
  ramped.rollout.author = generator::Author::kFixed;
  EXPECT_EQ(field_of(ramped), "ramps") << "completions that are brought have their length";

  generator::RolloutOptions seeded;
  seeded.sampling.seed = 1;
  EXPECT_EQ(seeded.problems().size(), 1U) << "it would be overwritten";
  EXPECT_EQ((KvPrefixParameters{.length = 8, .frozen = 8}).problems().size(), 1U);
  EXPECT_TRUE((KvPrefixParameters{.length = 8, .frozen = 7}).problems().empty());

  LanguageLossOptions nothing;
  nothing.divergence_weight = 0;
  EXPECT_FALSE(nothing.problems().empty());

  DistillLanguageModel text;
  text.plain_text = PlainTextOptions{.paths = {"f"}, .length = text.longest};
  EXPECT_EQ(field_of(text), "");
  text.plain_text->length = text.longest + 1;
  EXPECT_EQ(field_of(text), "plain_text");
  EXPECT_FALSE((PlainTextOptions{.paths = {"f"}, .length = 1}).problems().empty());
  text.plain_text->length = 0;
  text.teacher.weights = CachedTeacher{.file = "f"};
  text.loss.divergence.support = kernels::TokenSupport::kTeacherTopK;
  EXPECT_EQ(field_of(text), "plain_text");
  text.plain_text->teacher_share = 0;
  EXPECT_EQ(field_of(text), "");

  DistillLanguageModel greedy;
  greedy.loss.advantage = AdvantageOptions{};
  greedy.rollout.author = generator::Author::kStudent;
  EXPECT_EQ(field_of(greedy), "");
  greedy.rollout.sampling.temperature = 0;
  EXPECT_EQ(field_of(greedy), "loss") << "what is taken greedily is no choice";

  DistillLanguageModel taught;
  taught.loss.advantage = AdvantageOptions{};
  taught.rollout.author = generator::Author::kTeacher;
  EXPECT_EQ(field_of(taught), "loss") << "an advantage is of what the student wrote";

  DistillLanguageModel itself;
  itself.teacher = {.model = "a", .weights = EmaTeacher{}};
  EXPECT_EQ(field_of(itself), "");
  itself.student.from = "b";
  EXPECT_EQ(field_of(itself), "teacher") << "nobody would read the model that it names";
  itself.teacher.model.clear();
  EXPECT_EQ(field_of(itself), "");

  DistillLanguageModel constant;
  constant.curriculum = curriculum::ConstantOptions{.adversarial_weight = 2};
  EXPECT_EQ(field_of(constant), "curriculum");

  generator::RolloutOptions fixed{.prompts = generator::BosPrompts{}, .author = generator::Author::kFixed};
  EXPECT_EQ(fixed.problems().front().field, "author") << "nobody brings a completion";
  generator::RolloutOptions unanswered{.verifier = generator::NumberVerifier{}, .keep = generator::Keep::kAccepted};
  EXPECT_EQ(unanswered.problems().front().field, "keep") << "nobody brings a reference";
  unanswered.prompts = generator::FilePrompts{.path = "f"};
  EXPECT_TRUE(unanswered.problems().empty());

  generator::RolloutOptions mixed{.prompts = generator::VocabStartPrompts{},
                                  .author = generator::Author::kTokenMixture};
  EXPECT_EQ(mixed.problems().front().field, "author") << "a mixture draws every token";
  mixed.prompts = generator::VocabStartPrompts{.greedy_min = 0, .greedy_max = 0};
  EXPECT_TRUE(mixed.problems().empty());

  DistillLanguageModel ratio;
  ratio.loss.importance_clip = 2;
  EXPECT_EQ(field_of(ratio), "");
  ratio.loss.divergence_weight = 0;
  ratio.loss.cross_entropy = 1;
  EXPECT_EQ(field_of(ratio), "loss");

  generator::RolloutOptions rollout{.author = generator::Author::kMixture,
                                    .mixture_with = generator::MixturePartner::kFixed};
  EXPECT_EQ(rollout.problems().front().field, "mixture_with") << "the prompts bring no completion";
  rollout.prompts = generator::FilePrompts{.path = "f"};
  EXPECT_TRUE(rollout.problems().empty());
  EXPECT_FALSE(EnsembleTeacher{}.problems().empty());
}

// Rotary positions never end: a run that goes beyond those that a model knows would not fail by itself.
TEST_F(LanguageRuns, NamesTextsLongerThanAModelsContext) {
  auto shorter = drystill::testing::tiny_transformer();
  shorter.max_positions = 100;
  language::save_causal_lm(folder_ / "short", *drystill::testing::tiny_language_model(shorter, 3));
  drystill::testing::write_tiny_tokenizer(folder_ / "short");
  const auto error_of = [&](const DistillLanguageModel& options, const std::string& name) -> std::string {
    try {
      run(options, "run_" + name);
    } catch (const ConfigError& error) {
      return error.what();
    }
    return "";
  };
  auto teacher = options();
  teacher.teacher.model = (folder_ / "short").string();
  teacher.student = {.from = (folder_ / "teacher").string(), .layers = {}};
  teacher.longest = 102;
  EXPECT_EQ(error_of(teacher, "teacher"),
            "longest: is 102, but the teacher has 100 positions for it; set it to at most 101");
  teacher.longest = 101;
  EXPECT_EQ(error_of(teacher, "fits"), "");
  auto student = options();
  student.longest = 514;
  EXPECT_EQ(error_of(student, "student"),
            "longest: is 514, but the student has 512 positions for it; set it to at most 513");
  student.student.layers = {};
  student.trainable = KvPrefixParameters{.length = 8, .frozen = 1, .text = "text"};
  student.longest = 506;
  EXPECT_EQ(error_of(student, "prefix"),
            "longest: is 506, but the student has 504 positions for it; set it to at most 505");
  auto window = teacher;
  window.evaluation = LanguageEvaluationOptions{.texts = {"held-out"}, .window = 102, .windows = 1};
  EXPECT_EQ(error_of(window, "window"),
            "evaluation.window: is 102, but the teacher has 100 positions for it; set it to at most 101");
}

TEST_F(LanguageRuns, RefusesWhatDoesNotFit) {
  auto missing = options();
  missing.teacher.model = (folder_ / "nothing").string();
  EXPECT_THROW(run(missing, "a"), InputError);
  auto layers = options();
  layers.student.layers = {0, 9};
  EXPECT_THROW(run(layers, "b"), ConfigError);
  auto prefix = options();
  prefix.student.layers = {};
  prefix.trainable = KvPrefixParameters{.length = 8, .frozen = 1, .text = "text"};
  prefix.teacher.weights = TrustRegionTeacher{};
  EXPECT_THROW(run(prefix, "prefix"), ConfigError);
  auto cached = options();
  cached.student.from = cached.teacher.model;
  cached.teacher = {.model = "", .weights = CachedTeacher{.file = (folder_ / "nothing").string()}};
  EXPECT_THROW(run(cached, "cached"), InputError);
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
