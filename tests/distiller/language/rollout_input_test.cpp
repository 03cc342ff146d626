#include "distiller/language/rollout_input.h"

#include <gtest/gtest.h>

#include "tests/generator/rollouts/fakes.h"

namespace drystill::distiller {
namespace {

using generator::testing::bytes_of;
using generator::testing::FakeActor;
using generator::testing::kEndOfTurn;

// One sum, and a student that answers it with these texts in turn; the teacher's view names the sibling.
struct SiblingWorld {
  SiblingWorld(std::vector<std::string> answers, std::int64_t group)
      : student([answers = std::move(answers)](std::int64_t n, const std::vector<std::int64_t>&) {
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
  for (const auto& [name, value] : world.input.take_metrics()) {
    if (name == "accepted") {
      EXPECT_EQ(value, 0.25);
    }
  }
}

TEST(RolloutInput, DrawsAgainWhereAWholeGroupWasWrong) {
  SiblingWorld world({"3", "4", "2", "2"}, 2);
  EXPECT_EQ(world.input.next({}).sequences.size(), 3U);
}

TEST(RolloutInput, LearnsPromptsWhereAsked) {
  const language::PromptEncoder encoder = generator::testing::tiny_encoder();
  SeedStreams seeds(1);
  FakeActor nobody(generator::testing::endless);
  const language::View view({.chat = false}, encoder);
  const generator::FilePrompts file{"sums.jsonl"};
  const auto open = generator::testing::texts({"{\"prompt\": \"1+1=\", \"completion\": \"2\"}\n"});
  generator::RolloutSource rollouts(
      {.prompts = file, .author = generator::Author::kFixed},
      {.prompts = make_prompt_source(
           file, {.encoder = encoder, .teacher = nobody, .open_texts = open, .completion_length = 8, .seeds = seeds}),
       .teacher = nobody,
       .student = nobody,
       .teacher_view = view,
       .student_view = view,
       .encoder = encoder,
       .seeds = seeds});
  for (const std::int64_t longest : {64, 4}) {
    RolloutInput input({.batch = 1, .draw = 1, .longest = longest, .learn_prompts = true}, rollouts, view, view, {},
                       seeds);
    const Sequence sequence = input.next({}).sequences.front();
    EXPECT_EQ(sequence.student_prompt, bytes_of("1"));
    EXPECT_EQ(sequence.teacher_prompt, bytes_of("1"));
    auto rest = bytes_of("+1=2");
    rest.push_back(kEndOfTurn);
    rest.resize(std::min<std::size_t>(rest.size(), longest - 1));
    EXPECT_EQ(sequence.completion, rest);
  }
  EXPECT_TRUE(nobody.calls.empty());
}

TEST(RolloutInput, SaysSoWhereNobodyIsEverRight) {
  SiblingWorld world({"3"}, 2);
  EXPECT_THROW(world.input.next({}), RunError);
}

}  // namespace
}  // namespace drystill::distiller
