// Language models trained without a teacher, and students that begin with fresh weights.
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <sstream>

#include "core/error.h"
#include "distiller/language/runs.h"
#include "io/atomic_file.h"
#include "journal/run_folder.h"
#include "language/load_language_model.h"
#include "language/models/hf_config.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/tiny_language_model.h"

namespace drystill::distiller {
namespace {

class TrainRuns : public ::testing::Test {
 protected:
  TrainRuns() { write_shape("shape", drystill::testing::tiny_transformer()); }

  void write_shape(const std::string& name, const language::TransformerOptions& options) {
    drystill::testing::write_tiny_tokenizer(folder_ / name);
    io::write_file(folder_ / name / "config.json", language::hf_config_text(options, torch::kFloat32));
  }

  TrainLanguageModel options() {
    TrainLanguageModel options;
    options.run.device = "cpu";
    options.run.threads = 1;
    options.run.loop = {.epochs = 2, .epoch_steps = 30, .log_every = 1};
    options.model.config = (folder_ / "shape").string();
    options.data = generator::FilePrompts{"sums"};
    options.batch = 4;
    options.micro_batch = 3;
    options.longest = 24;
    options.optimizer = AdamOptions{.learning_rate = 2e-2};
    options.schedule.kind = ScheduleKind::kConstant;
    options.evaluation = LanguageEvaluationOptions{
        .texts = {"text"},
        .window = 8,
        .windows = 4,
        .answers = {{.name = "sums", .path = "sums", .max_new_tokens = 4, .stop_strings = {"!"}}}};
    return options;
  }

  template <class Options>
  TrainingResult run(TrainingResult (*verb)(const Options&, const RunEnvironment&), const Options& options,
                     const std::string& name) {
    auto run_folder = journal::RunFolder::create(folder_ / name, journal::OnExists::kResume, {});
    journal::Journal journal(run_folder);
    std::ostringstream sink;
    const auto progress = make_progress({.quiet = true}, sink, [] { return 0.0; });
    return verb(options, {.folder = run_folder.path(),
                          .journal = journal,
                          .progress = *progress,
                          .open_dataset = {},
                          .open_texts = [this](const std::vector<std::string>& paths) {
                            opened_.insert(opened_.end(), paths.begin(), paths.end());
                            return std::vector<std::string>{paths.front() == "text" ? "1+1=2!1+2=3!" : kSums};
                          }});
  }
  TrainingResult train(const TrainLanguageModel& options, const std::string& name) {
    return run(train_language_model, options, name);
  }

  static std::vector<torch::Tensor> weights(const TrainingResult& result) {
    return language::load_language_model(result.model).model->parameters();
  }
  static bool equal(const TrainingResult& a, const TrainingResult& b) {
    return at::cat(flat(weights(a))).equal(at::cat(flat(weights(b))));
  }
  static std::vector<torch::Tensor> flat(std::vector<torch::Tensor> tensors) {
    for (torch::Tensor& tensor : tensors) tensor = tensor.detach().flatten();
    return tensors;
  }
  static double metric(const TrainingResult& result, const std::string& name) {
    for (const auto& [found, value] : result.loop.last_evaluation) {
      if (found == name) return value;
    }
    return NAN;
  }

  static constexpr char kSums[] =
      "{\"prompt\": \"1+1=\", \"completion\": \"2!\", \"reference\": \"2\"}\n"
      "{\"prompt\": \"1+2=\", \"completion\": \"3!\", \"reference\": \"3\"}\n";
  drystill::testing::TemporaryFolder folder_;
  std::vector<std::string> opened_;
};

TEST_F(TrainRuns, LearnsTextAndAnswersFromFreshWeights) {
  const auto result = train(options(), "run");
  EXPECT_LT(metric(result, "perplexity"), 10);  // fresh: about one of 259
  EXPECT_EQ(metric(result, "answers_sums"), 1);
  EXPECT_TRUE(std::isnan(metric(result, "kl")));  // there is no teacher
  EXPECT_EQ(result.model, folder_ / "run" / "model");
  EXPECT_EQ(opened_, (std::vector<std::string>{"sums", "text", "sums"}));
  const auto again = evaluate_language_model(options(), result.model.string(), [](const auto& paths) {
    return std::vector<std::string>{paths.front() == "text" ? "1+1=2!1+2=3!" : kSums};
  });
  EXPECT_EQ(again.metrics, result.loop.last_evaluation);
}

// Prompts have a loss too, unless only the answers are asked for: then the text of the prompts stays unknown.
TEST_F(TrainRuns, LearnsAnswersAloneWhereAsked) {
  auto answers = options();
  answers.answers_only = true;
  const auto result = train(answers, "answers");
  EXPECT_EQ(metric(result, "answers_sums"), 1);
  EXPECT_GT(metric(result, "perplexity"), 2 * metric(train(options(), "all"), "perplexity"));
}

TEST_F(TrainRuns, GoesOnFromAFolder) {
  auto more = options();
  more.model = {.from = train(options(), "first").model.string()};
  more.optimizer = AdamOptions{.learning_rate = 1e-6};
  more.run.loop.epochs = 1;
  more.data = generator::TextPrompts{{"text"}};
  EXPECT_LT(metric(train(more, "second"), "perplexity"), 10);
}

TEST_F(TrainRuns, AResumedRunEqualsAnUninterruptedOne) {
  const auto straight = train(options(), "straight");
  auto half = options();
  half.run.loop.epochs = 1;
  EXPECT_FALSE(equal(straight, train(half, "resumed")));
  EXPECT_TRUE(equal(straight, train(options(), "resumed")));
}

TEST_F(TrainRuns, FreshWeightsComeFromTheSeedAndTheConfiguration) {
  auto shape = drystill::testing::tiny_transformer();
  shape.initializer_range = 0.5;
  write_shape("wide", shape);
  DistillLanguageModel distill;
  distill.run = options().run;
  distill.run.loop = {.epochs = 1, .epoch_steps = 1};
  distill.teacher.model = train(options(), "teacher").model.string();
  distill.student.config = (folder_ / "wide").string();
  distill.rollout.sampling.max_new_tokens = 4;
  distill.rollout.prompts = generator::BosPrompts{};
  distill.batch = distill.draw = 2;
  distill.longest = 64;
  distill.optimizer = AdamOptions{.learning_rate = 1e-9};
  const auto one = run(distill_language_model, distill, "one");
  EXPECT_NEAR(weights(one).front().std().item<double>(), 0.5, 0.02);
  EXPECT_TRUE(equal(one, run(distill_language_model, distill, "same")));
  distill.run.seed = 1;
  EXPECT_FALSE(equal(one, run(distill_language_model, distill, "other")));

  shape.vocab_size = 258;
  shape.eos_tokens = {};
  write_shape("small", shape);
  distill.student.config = (folder_ / "small").string();
  EXPECT_THROW(run(distill_language_model, distill, "small"), InputError);
  distill.student.config = (folder_ / "wide").string();
  distill.teacher = {.model = "", .weights = InitialTeacher{}};
  EXPECT_THROW(run(distill_language_model, distill, "nobody"), ConfigError);
}

TEST(TrainOptions, ContradictionsAreNamed) {
  EXPECT_EQ(LanguageModelOptions{}.problems().size(), 1U);
  EXPECT_EQ((LanguageModelOptions{.from = "a", .config = "b"}).problems().size(), 1U);
  EXPECT_TRUE((LanguageModelOptions{.config = "b"}).problems().empty());
  EXPECT_EQ((LanguageStudentOptions{.layers = {0}, .config = "b"}).problems().size(), 1U);
  EXPECT_EQ((LanguageStudentOptions{.from = "a", .config = "b"}).problems().size(), 1U);
  EXPECT_EQ(LanguageEvaluationOptions{}.problems().size(), 1U);
  EXPECT_EQ((LanguageEvaluationOptions{.answers = {{.name = "a"}, {.name = "a"}}}).problems().size(), 1U);
  EXPECT_EQ((AnswerEvaluationOptions{.verifier = generator::NoVerifier{}}).problems().size(), 1U);
}

}  // namespace
}  // namespace drystill::distiller
