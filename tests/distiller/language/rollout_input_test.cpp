#include "distiller/language/rollout_input.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>

#include "tests/generator/rollouts/fakes.h"

namespace drystill::distiller {
namespace {

using generator::testing::bytes_of;
using generator::testing::FakeActor;
using generator::testing::kEndOfTurn;

// One sum, and a student that answers it with these texts in turn; the teacher's view names the sibling.
struct SiblingWorld {
  SiblingWorld(std::vector<std::string> answers, std::int64_t group)
      : student([this, answers = std::move(answers)](std::int64_t n, const std::vector<std::int64_t>&) {
          if (n == interrupted_at) throw Interrupted(SIGTERM);
          auto tokens = bytes_of(answers[static_cast<std::size_t>(n) % answers.size()]);
          tokens.push_back(kEndOfTurn);
          return tokens;
        }),
        rollouts({.prompts = generator::FilePrompts{"sums.jsonl"},
                  .author = generator::Author::kStudent,
                  .group = group,
                  .verifier = generator::NumberVerifier{}},
                 {.prompts = make_prompt_source(
                      generator::FilePrompts{"sums.jsonl"},
                      {.encoder = encoder,
                       .teacher = student,
                       .open_texts = generator::testing::texts({"{\"prompt\": \"1+1\", \"reference\": 2}\n"}),
                       .completion_length = 8,
                       .seeds = seeds}),
                  .teacher = student,
                  .student = student,
                  .teacher_view = teacher_view,
                  .student_view = student_view,
                  .encoder = encoder,
                  .seeds = seeds}),
        input({.batch = 3, .draw = group}, rollouts, teacher_view, student_view, {}, seeds) {}

  State saved() const {
    State state;
    input.save(StateWriter(state, "input."));
    seeds.save(StateWriter(state, "seeds."));
    return state;
  }

  std::int64_t interrupted_at = -1;  // the prompt behind which a signal stops the student
  language::PromptEncoder encoder = generator::testing::tiny_encoder();
  SeedStreams seeds{1};
  FakeActor student;
  language::View teacher_view{{.user = "{prompt} as in {sibling}"}, encoder};
  language::View student_view{{.user = "{prompt}"}, encoder};
  generator::RolloutSource rollouts;
  RolloutInput input;
};

TEST(RolloutInput, LeavesOutRolloutsWithoutASibling) {
  SiblingWorld world({"3", "2", "4", "5"}, 4);
  const Batch batch = world.input.next({});
  ASSERT_EQ(batch.sequences.size(), 3U);  // the right one has no other to learn from
  for (const Sequence& sequence : batch.sequences) {
    EXPECT_EQ(sequence.teacher_prompt, world.encoder.chat("", "1+1 as in 2", ""));
    EXPECT_EQ(sequence.student_prompt, world.encoder.chat("", "1+1", ""));
    EXPECT_NE(sequence.completion, (std::vector<std::int64_t>{'2', kEndOfTurn}));
  }
  const Metrics metrics = world.input.take_metrics();
  const auto accepted = std::ranges::find(metrics, "accepted", [](const auto& metric) { return metric.first; });
  ASSERT_NE(accepted, metrics.end());
  EXPECT_EQ(accepted->second, 0.25);
}

TEST(RolloutInput, DrawsAgainWhereAWholeGroupWasWrong) {
  SiblingWorld world({"3", "4", "2", "2"}, 2);
  EXPECT_EQ(world.input.next({}).sequences.size(), 3U);
}

// Records of a file and nobody who writes.
struct FileWorld {
  explicit FileWorld(const std::string& records)
      : rollouts({.prompts = file, .author = generator::Author::kFixed},
                 {.prompts = make_prompt_source(file, {.encoder = encoder,
                                                       .teacher = nobody,
                                                       .open_texts = generator::testing::texts({records}),
                                                       .completion_length = 8,
                                                       .seeds = seeds}),
                  .teacher = nobody,
                  .student = nobody,
                  .teacher_view = view,
                  .student_view = view,
                  .encoder = encoder,
                  .seeds = seeds}) {}

  generator::FilePrompts file{"sums.jsonl"};
  language::PromptEncoder encoder = generator::testing::tiny_encoder();
  SeedStreams seeds{1};
  FakeActor nobody{generator::testing::endless};
  language::View view{{.chat = false}, encoder};
  generator::RolloutSource rollouts;
};

TEST(RolloutInput, LearnsPromptsWhereAsked) {
  FileWorld world("{\"prompt\": \"1+1=\", \"completion\": \"2\"}\n");
  for (const std::int64_t longest : {64, 4}) {
    RolloutInput input({.batch = 1, .draw = 1, .longest = longest, .learn_prompts = true}, world.rollouts, world.view,
                       world.view, {}, world.seeds);
    const Sequence sequence = input.next({}).sequences.front();
    EXPECT_EQ(sequence.student_prompt, bytes_of("1"));
    EXPECT_EQ(sequence.teacher_prompt, bytes_of("1"));
    auto rest = bytes_of("+1=2");
    rest.push_back(kEndOfTurn);
    rest.resize(std::min<std::size_t>(rest.size(), longest - 1));
    EXPECT_EQ(sequence.completion, rest);
  }
  EXPECT_TRUE(world.nobody.calls.empty());
}

// The second record's prompt alone fills `longest`.
TEST(RolloutInput, CountsWhatItLeavesOut) {
  FileWorld world("{\"prompt\": \"1+1=\", \"completion\": \"2\"}\n{\"prompt\": \"1+1+1=\", \"completion\": \"3\"}\n");
  RolloutInput input({.batch = 1, .draw = 2, .longest = 6}, world.rollouts, world.view, world.view, {}, world.seeds);
  EXPECT_EQ(input.next({}).sequences.size(), 1U);
  const Metrics metrics = input.take_metrics();
  const auto left_out = std::ranges::find(metrics, "left_out", [](const auto& metric) { return metric.first; });
  ASSERT_NE(left_out, metrics.end());
  EXPECT_EQ(left_out->second, 0.5);
}

TEST(RolloutInput, GoesThroughADrawAsOftenAsAsked) {
  SiblingWorld world({"3", "2", "4", "5"}, 4);
  RolloutInput input({.batch = 2, .draw = 4, .passes = 3}, world.rollouts, world.student_view, world.student_view, {},
                     world.seeds);
  std::vector<std::vector<std::int64_t>> seen;
  for (int step = 0; step < 6; ++step) {
    for (const Sequence& sequence : input.next({}).sequences) seen.push_back(sequence.completion);
  }
  EXPECT_EQ(input.tokens_written(), 8);  // two tokens each, written once
  const auto pass = [&](int i) { return std::vector(seen.begin() + 4 * i, seen.begin() + 4 * (i + 1)); };
  EXPECT_TRUE(std::ranges::is_permutation(pass(0), pass(1)));
  EXPECT_TRUE(std::ranges::is_permutation(pass(0), pass(2)));
  EXPECT_FALSE(pass(0) == pass(1) && pass(1) == pass(2));
  input.next({});
  EXPECT_EQ(input.tokens_written(), 16);
}

TEST(RolloutInput, DrawsNothingWhereTheBankGivesAll) {
  SiblingWorld world({"3", "2", "4", "5"}, 4);
  RolloutInput input({.batch = 3, .draw = 4, .replay = {.capacity = 3, .fraction = 1}}, world.rollouts,
                     world.teacher_view, world.student_view, {}, world.seeds);
  for (int step = 0; step < 3; ++step) EXPECT_EQ(input.next({}).sequences.size(), 3U);
  EXPECT_EQ(world.student.calls.size(), 1U);
}

TEST(RolloutInput, ADrawThatASignalEndsBeginsAgain) {
  SiblingWorld world({"3", "2", "4", "5"}, 4);
  world.input.next({});
  const State before = world.saved();
  world.interrupted_at = 6;  // in the middle of the second draw
  EXPECT_THROW(world.input.next({}), Interrupted);
  const State after = world.saved();
  EXPECT_EQ(after.values, before.values);
  ASSERT_EQ(after.tensors.size(), before.tensors.size());
  for (const auto& [name, tensor] : before.tensors) EXPECT_TRUE(at::equal(after.tensors.at(name), tensor)) << name;

  world.input.next({});
  const auto& calls = world.student.calls;
  ASSERT_EQ(calls.size(), 3U);
  EXPECT_EQ(calls[2].prompts, calls[1].prompts);
  EXPECT_EQ(calls[2].options.seed, calls[1].options.seed);
  EXPECT_NE(calls[2].options.seed, calls[0].options.seed);
}

TEST(RolloutInput, SaysSoWhereNobodyIsEverRight) {
  SiblingWorld world({"3"}, 2);
  EXPECT_THROW(world.input.next({}), RunError);
}

TEST(TranslateCompletion, GivesBothTheirTokensAndWhatIsCompared) {
  const drystill::testing::TemporaryFolder folder;
  drystill::testing::write_tiny_tokenizer(folder / "bytes");
  drystill::testing::write_tiny_tokenizer(folder / "pairs", /*pairs=*/true);
  const auto bytes = language::load_tokenizer(folder / "bytes"), pairs = language::load_tokenizer(folder / "pairs");
  const std::vector<std::int64_t> written = {'t', 'h', 'e', kEndOfTurn}, other = {257, 255 - 'e', 260};
  Sequence by_student{.teacher_prompt = {1}, .student_prompt = {1}, .completion = written};
  by_student.sampler_log_probabilities = {-1, -2, -3, -4};
  Sequence by_teacher{.teacher_prompt = {1}, .student_prompt = {1}, .completion = written};
  by_teacher.sampler_log_probabilities = {-1, -2, -3, -4};
  ASSERT_TRUE(translate_completion({.teacher = pairs, .student = bytes}, true, by_student));
  EXPECT_EQ(by_student.completion, written);
  EXPECT_EQ(by_student.teacher_completion, other);
  EXPECT_EQ(by_student.sampler_log_probabilities.size(), 4U);
  EXPECT_EQ(by_student.student_places, (std::vector<std::int32_t>{0, 2, 3}));
  EXPECT_EQ(by_student.teacher_places, (std::vector<std::int32_t>{0, 1, 2}));
  ASSERT_TRUE(translate_completion({bytes, pairs, TokenAlignment::kPosition}, false, by_teacher));
  EXPECT_EQ(by_teacher.completion, other);
  EXPECT_EQ(by_teacher.teacher_completion, written);
  EXPECT_TRUE(by_teacher.sampler_log_probabilities.empty());
  EXPECT_EQ(by_teacher.student_places, (std::vector<std::int32_t>{0, 1, 2}));
  EXPECT_EQ(by_teacher.teacher_places, by_teacher.student_places);
  Sequence broken{.teacher_prompt = {1}, .student_prompt = {1}, .completion = {0xE6}};
  EXPECT_FALSE(translate_completion({.teacher = pairs, .student = bytes}, true, broken));
}

// Teacher and student answer "what" with one word; the adversary is told what the models saw, and reports.
TEST(RolloutInput, TheAdversaryLearnsFromEveryDraw) {
  const auto encoder = generator::testing::tiny_encoder();
  const auto teacher = drystill::testing::tiny_language_model(1);
  teacher->freeze();
  SeedStreams seeds{1};
  FakeActor author("yes");
  generator::AdversarialPrefix adversary({.length = 3}, *teacher, {256, 'a', 'b'});
  const torch::Tensor before = adversary.prefix().parameters()[0].clone();
  const language::View view({}, encoder);
  generator::RolloutSource rollouts(
      {.sampling = {.max_new_tokens = 8}},
      {.prompts = make_prompt_source(
           generator::VocabStartPrompts{.greedy_min = 1, .greedy_max = 1},
           {.encoder = encoder, .teacher = author, .open_texts = {}, .completion_length = 8, .seeds = seeds}),
       .teacher = author,
       .student = author,
       .teacher_view = view,
       .student_view = view,
       .encoder = encoder,
       .seeds = seeds});
  RolloutInput input({.batch = 2, .draw = 4}, rollouts, view, view,
                     {.divergences =
                          [](std::span<const Sequence> sequences) {
                            std::vector<double> values;
                            for (std::size_t i = 0; i < sequences.size(); ++i) values.push_back(static_cast<double>(i));
                            return values;
                          },
                      .remember = {}},
                     seeds, &adversary);
  input.next({});
  EXPECT_FALSE(before.equal(adversary.prefix().parameters()[0]));
  bool reported = false;
  for (const auto& [name, value] : input.take_metrics()) {
    if (name != "adversary_divergence") continue;
    EXPECT_DOUBLE_EQ(value, 1.5);
    reported = true;
  }
  EXPECT_TRUE(reported);
}

}  // namespace
}  // namespace drystill::distiller
