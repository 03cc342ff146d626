#include "distiller/language/answers.h"

#include <gtest/gtest.h>

#include "tests/generator/rollouts/fakes.h"

namespace drystill::distiller {
namespace {

using generator::testing::bytes_of;
using generator::testing::FakeActor;

constexpr char kSums[] =
    "{\"prompt\": \"1+1=\", \"reference\": 2}\n{\"prompt\": \"1+2=\", \"reference\": 3}\n"
    "{\"prompt\": \"2+1=\", \"reference\": \"3\"}\n";

struct AnswerWorld {
  AnswerEvaluator make(const AnswerEvaluationOptions& options, const std::string& text = kSums) const {
    return AnswerEvaluator(options, {text}, view, encoder);
  }
  language::PromptEncoder encoder = generator::testing::tiny_encoder();
  language::View view{{.user = "Q{prompt}", .chat = false}, encoder};
};

AnswerEvaluationOptions sums() {
  return {.name = "sums", .path = "sums.jsonl", .verifier = generator::NumberVerifier{}, .max_new_tokens = 7};
}

TEST(AnswerEvaluator, CountsWhatTheVerifierAccepts) {
  const AnswerWorld world;
  FakeActor three("3");
  EXPECT_DOUBLE_EQ(world.make(sums()).accepted_share(three), 2.0 / 3);
  FakeActor exact("3 ");
  auto options = sums();
  options.verifier = generator::ExactVerifier{};
  EXPECT_DOUBLE_EQ(world.make(options).accepted_share(exact), 2.0 / 3);
  FakeActor wrong("33");
  EXPECT_DOUBLE_EQ(world.make(options).accepted_share(wrong), 0);
}

TEST(AnswerEvaluator, TheStopStringIsNoPartOfTheAnswer) {
  const AnswerWorld world;
  FakeActor three("3\nQ: what");
  auto options = sums();
  options.verifier = generator::ExactVerifier{};
  EXPECT_DOUBLE_EQ(world.make(options).accepted_share(three), 0);
  options.stop_strings = {"\nA:", "\nQ:"};
  EXPECT_DOUBLE_EQ(world.make(options).accepted_share(three), 2.0 / 3);
}

TEST(AnswerEvaluator, AsksThroughTheViewWithoutChance) {
  const AnswerWorld world;
  FakeActor writer("2");
  auto options = sums();
  options.stop_strings = {";"};
  options.limit = 2;
  EXPECT_DOUBLE_EQ(world.make(options).accepted_share(writer), 0.5);
  ASSERT_EQ(writer.calls.size(), 1U);
  EXPECT_EQ(writer.calls[0].prompts, (std::vector<generator::testing::Tokens>{bytes_of("Q1+1="), bytes_of("Q1+2=")}));
  EXPECT_EQ(writer.calls[0].options.temperature, 0);
  EXPECT_EQ(writer.calls[0].options.max_new_tokens, 7);
  EXPECT_EQ(writer.calls[0].options.stop_strings, std::vector<std::string>{";"});
}

TEST(AnswerEvaluator, NamesWhatCannotBeAsked) {
  const AnswerWorld world;
  EXPECT_THROW(world.make(sums(), ""), InputError);
  const language::View wants_more({.user = "{context}{prompt}", .chat = false}, world.encoder);
  try {
    AnswerEvaluator(sums(), {kSums}, wants_more, world.encoder);
    FAIL();
  } catch (const InputError& error) {
    EXPECT_NE(std::string(error.what()).find("sums.jsonl:1: "), std::string::npos) << error.what();
  }
}

TEST(AnswerEvaluator, NamesARecordThatDoesNotFitTheModel) {
  const AnswerWorld world;
  const auto make = [&](std::int64_t room) {
    AnswerEvaluator(sums(), {"{\"prompt\": \"1+1=\", \"reference\": 2}\n{\"prompt\": \"1+1+1=\", \"reference\": 3}\n"},
                    world.view, world.encoder, room);
  };
  EXPECT_NO_THROW(make(14));  // "Q1+1+1=" and seven tokens of an answer
  try {
    make(13);
    FAIL() << "it fits";
  } catch (const InputError& error) {
    const std::string message = error.what();
    for (const char* part : {"sums.jsonl:2: ", "7 tokens", "max_new_tokens 7", "13 positions"}) {
      EXPECT_NE(message.find(part), std::string::npos) << message;
    }
  }
}

}  // namespace
}  // namespace drystill::distiller
