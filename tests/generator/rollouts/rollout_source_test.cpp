#include "generator/rollouts/rollout_source.h"

#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>
#include <set>
#include <sstream>

#include "core/error.h"
#include "core/stop_request.h"
#include "tests/generator/rollouts/fakes.h"

namespace drystill::generator {
namespace {

using testing::bytes_of;
using testing::endless;
using testing::FakeActor;
using testing::kBeginOfText;
using testing::kEndOfTurn;
using testing::Tokens;

constexpr std::int64_t kLength = 32;

FakeActor::Writer always(std::int64_t token) {
  return [token](std::int64_t, const Tokens&) { return Tokens(1000, token); };
}

// Texts in turn, each with the end of a turn.
FakeActor::Writer in_turn(std::vector<std::string> texts) {
  return [texts = std::move(texts)](std::int64_t n, const Tokens&) {
    Tokens tokens = bytes_of(texts[static_cast<std::size_t>(n) % texts.size()]);
    tokens.push_back(kEndOfTurn);
    return tokens;
  };
}

struct World {
  explicit World(RolloutOptions options, FakeActor::Writer student_writer = always('s'),
                 const language::ViewOptions& teacher_options = {}, const std::string& records = "",
                 std::int64_t student_room = 1000)
      : student(std::move(student_writer)), seeds(1), teacher_view(teacher_options, encoder) {
    options.sampling.max_new_tokens = kLength;
    source.emplace(options, RolloutParts{.prompts = make_prompt_source(
                                             options.prompts, {.encoder = encoder,
                                                               .teacher = teacher,
                                                               .open_texts = testing::texts({records}),
                                                               .completion_length = options.sampling.max_new_tokens,
                                                               .seeds = seeds}),
                                         .teacher = teacher,
                                         .student = student,
                                         .teacher_view = teacher_view,
                                         .student_view = student_view,
                                         .encoder = encoder,
                                         .seeds = seeds,
                                         .student_room = student_room,
                                         .progress = progress.get()});
  }
  std::ostringstream messages;
  std::unique_ptr<Progress> progress = make_progress({.quiet = true}, messages, [] { return 0.0; });
  language::PromptEncoder encoder = testing::tiny_encoder();
  FakeActor teacher{always('t')};
  FakeActor student;
  SeedStreams seeds;
  language::View teacher_view;
  language::View student_view{{}, encoder};
  std::optional<RolloutSource> source;
};

TEST(RolloutSource, DrawsWholeGroups) {
  World world({.group = 3});
  const auto rollouts = world.source->draw({.count = 7});
  ASSERT_EQ(rollouts.size(), 6U);
  for (std::size_t i = 0; i < 6; ++i) {
    EXPECT_EQ(rollouts[i].group, static_cast<std::int64_t>(i / 3));
    EXPECT_EQ(rollouts[i].completion, Tokens(kLength, 't'));
    EXPECT_EQ(rollouts[i].log_probabilities.size(), 32U);
    EXPECT_FALSE(rollouts[i].by_student);
    EXPECT_FALSE(rollouts[i].finished);
    EXPECT_FALSE(rollouts[i].reward.has_value());
  }
  ASSERT_EQ(world.teacher.calls.size(), 1U);
  EXPECT_EQ(world.teacher.calls[0].prompts, std::vector<Tokens>(6, Tokens{kBeginOfText}));
  world.source->draw({.count = 7});
  ASSERT_EQ(world.teacher.calls.size(), 2U);
  EXPECT_NE(world.teacher.calls[0].options.seed, world.teacher.calls[1].options.seed);
  EXPECT_TRUE(world.student.calls.empty());
  EXPECT_EQ(world.source->draw({.count = 1}).size(), 3U);  // one group at least
}

TEST(RolloutSource, MixtureDrawsItsAuthorForEveryBatch) {
  World world({.author = Author::kMixture, .student_share = 0.25});
  int by_student = 0;
  for (int batch = 0; batch < 400; ++batch) {
    const auto rollouts = world.source->draw({.count = 2});
    ASSERT_EQ(rollouts.size(), 2U);
    EXPECT_EQ(rollouts[0].by_student, rollouts[1].by_student);
    EXPECT_EQ(rollouts[0].completion.front(), rollouts[0].by_student ? 's' : 't');
    by_student += rollouts[0].by_student ? 1 : 0;
  }
  EXPECT_NEAR(by_student, 100, 40);  // 4.6 standard deviations
}

// A batch has one author whether a draw is part of it or several of it; each batch draws anew.
TEST(RolloutSource, MixtureIsOfTheBatchWhateverTheDraw) {
  for (const std::int64_t draw : {2, 3, 12}) {
    World world({.author = Author::kMixture, .student_share = 0.5});
    std::vector<bool> by_student;
    while (by_student.size() < 6 * 200) {
      for (const auto& rollout : world.source->draw({.count = draw, .batch = 6})) {
        EXPECT_EQ(rollout.completion.front(), rollout.by_student ? 's' : 't');
        by_student.push_back(rollout.by_student);
      }
    }
    int students = 0, changes = 0;
    for (std::size_t i = 0; i < 6 * 200; ++i) {
      EXPECT_EQ(by_student[i], by_student[i / 6 * 6]);
      if (i % 6 == 0) students += by_student[i] ? 1 : 0;
      if (i % 6 == 0 && i > 0) changes += by_student[i] != by_student[i - 1] ? 1 : 0;
    }
    EXPECT_NEAR(students, 100, 33);  // 4.6 standard deviations
    EXPECT_NEAR(changes, 100, 33);
  }
}

TEST(RolloutSource, MixtureOfSequencesMixesWithinABatch) {
  World world({.author = Author::kMixture, .student_share = 0.5, .mixture_per = MixtureUnit::kSequence, .group = 2});
  const auto rollouts = world.source->draw({.count = 400, .batch = 400});
  int students = 0;
  for (std::size_t i = 0; i < rollouts.size(); ++i) {
    EXPECT_EQ(rollouts[i].completion, Tokens(kLength, rollouts[i].by_student ? 's' : 't'));
    EXPECT_EQ(rollouts[i].by_student, rollouts[i / 2 * 2].by_student);
    students += rollouts[i].by_student ? 1 : 0;
  }
  EXPECT_NEAR(students, 200, 66);
}

// GKD as it is published: what the student does not write, the file brings.
TEST(RolloutSource, MixtureWithTheFilesCompletions) {
  World world({.prompts = FilePrompts{.path = "records"},
               .author = Author::kMixture,
               .student_share = 0.5,
               .mixture_with = MixturePartner::kFixed,
               .mixture_per = MixtureUnit::kSequence},
              always('s'), {}, R"({"prompt": "ask", "completion": "told"})");
  const auto rollouts = world.source->draw({.count = 400, .batch = 400});
  ASSERT_EQ(rollouts.size(), 400U);
  int students = 0;
  for (const Rollout& rollout : rollouts) {
    students += rollout.by_student ? 1 : 0;
    if (rollout.by_student) {
      EXPECT_EQ(rollout.completion, Tokens(kLength, 's'));
      continue;
    }
    EXPECT_EQ(world.encoder.decode(rollout.completion), "told");
    EXPECT_TRUE(rollout.log_probabilities.empty());  // nobody knows how likely they were
  }
  EXPECT_NEAR(students, 200, 46);  // 4.6 standard deviations
  EXPECT_TRUE(world.teacher.calls.empty());
}

TEST(RolloutSource, MixtureWithAFileOfPromptsAloneSaysWhatIsMissing) {
  World world({.prompts = FilePrompts{.path = "records"},
               .author = Author::kMixture,
               .student_share = 0,
               .mixture_with = MixturePartner::kFixed},
              always('s'), {}, R"({"prompt": "ask"})");
  try {
    world.source->draw({.count = 4});
    FAIL();
  } catch (const RunError& error) {
    EXPECT_NE(std::string(error.what()).find("with author 'fixed' a completion"), std::string::npos) << error.what();
  }
}

// Context distillation: the scratch-pad is written, and the answer behind it learnt.
TEST(RolloutSource, LearnsTheAnswerAlone) {
  World world({.author = Author::kStudent, .learn_only = "Answer: (.*)"},
              in_turn({"3 and 4: Answer: 7 ", "no idea", "Answer: eight"}));
  const auto rollouts = world.source->draw({.count = 6});
  ASSERT_EQ(rollouts.size(), 4U);
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(rollouts[i].completion, world.encoder.completion(i % 2 == 0 ? "7" : "eight"));
    EXPECT_TRUE(rollouts[i].log_probabilities.empty());
    EXPECT_EQ(rollouts[i].group, static_cast<std::int64_t>(i / 2 * 3 + i % 2 * 2));
  }
  World silent({.author = Author::kStudent, .learn_only = "Answer: (.*)"}, in_turn({"no idea"}));
  try {
    silent.source->draw({.count = 2});
    FAIL();
  } catch (const RunError& error) {
    EXPECT_NE(std::string(error.what()).find("rollout.learn_only finds nothing in them"), std::string::npos);
  }
  EXPECT_THROW(World({.learn_only = "Answer: (.*"}), ConfigError);
}

TEST(RolloutSource, TakesTheFirstTokensOfVocabStartGreedily) {
  World world({.prompts = VocabStartPrompts{.greedy_min = 2, .greedy_max = 3}, .sampling = {.temperature = 0.8}});
  const auto rollouts = world.source->draw({.count = 20});
  std::set<std::int64_t> greedy_lengths;
  std::size_t greedy = 0, sampled = 0;
  for (const auto& call : world.teacher.calls) {
    if (call.options.temperature == 0) {
      greedy += call.prompts.size();
      greedy_lengths.insert(call.options.max_new_tokens);
      for (const Tokens& prompt : call.prompts) EXPECT_EQ(prompt.size(), 1U);
      continue;
    }
    sampled += call.prompts.size();
    EXPECT_EQ(call.options.temperature, 0.8);
    for (const Tokens& prompt : call.prompts) {
      EXPECT_EQ(std::ssize(prompt) - 1 + call.options.max_new_tokens, kLength);
      EXPECT_EQ(prompt.back(), 't');
    }
  }
  EXPECT_EQ(greedy, 20U);
  EXPECT_EQ(sampled, 20U);
  EXPECT_EQ(greedy_lengths, (std::set<std::int64_t>{2, 3}));
  for (const Rollout& rollout : rollouts) {
    EXPECT_EQ(rollout.completion.size(), 32U);
    EXPECT_TRUE(greedy_lengths.contains(rollout.greedy_tokens));
    EXPECT_EQ(rollout.temperature, 0.8);
  }
}

TEST(RolloutSource, DoesNotGoOnBehindAnEndAmongTheGreedyTokens) {
  World world({.prompts = VocabStartPrompts{.greedy_min = 5, .greedy_max = 5}, .author = Author::kStudent},
              in_turn({"ab"}));
  for (const Rollout& rollout : world.source->draw({.count = 3})) {
    EXPECT_EQ(rollout.completion, (Tokens{'a', 'b', kEndOfTurn}));
    EXPECT_TRUE(rollout.finished);
    EXPECT_TRUE(rollout.by_student);
  }
  EXPECT_EQ(world.student.calls.size(), 1U);
}

TEST(RolloutSource, FollowsTheCurriculumsFactors) {
  World world({.sampling = {.min_new_tokens = 10, .temperature = 0.8}});
  EXPECT_EQ(world.source->draw({.count = 1, .length_factor = 0.25, .temperature_factor = 1.5})[0].completion.size(),
            8U);
  EXPECT_EQ(world.source->draw({.count = 1, .length_factor = 0.001})[0].completion.size(), 1U);
  ASSERT_EQ(world.teacher.calls.size(), 2U);
  EXPECT_DOUBLE_EQ(world.teacher.calls[0].options.temperature, 1.2);
  EXPECT_EQ(world.teacher.calls[0].options.min_new_tokens, 8);
  EXPECT_EQ(world.teacher.calls[1].options.max_new_tokens, 1);
}

TEST(RolloutSource, TakesFixedCompletionsAsTheyAre) {
  World world({.prompts = FilePrompts{"records.jsonl"}, .author = Author::kFixed}, endless, {},
              "{\"prompt\": \"a\", \"completion\": \"xyz\"}\n{\"prompt\": \"b\"}\n");
  const auto rollouts = world.source->draw({.count = 2});
  ASSERT_EQ(rollouts.size(), 1U);  // the second brings none
  EXPECT_EQ(rollouts[0].completion, (Tokens{'x', 'y', 'z', kEndOfTurn}));
  EXPECT_TRUE(rollouts[0].log_probabilities.empty());
}

TEST(RolloutSource, SaysWhyNothingIsLeft) {
  World none({.author = Author::kFixed});
  EXPECT_THROW(none.source->draw({.count = 2}), RunError);
  World unseen({}, endless, {.user = "{demonstration}"});
  EXPECT_THROW(unseen.source->draw({.count = 2}), RunError);
}

// Of three records one leaves the author no room. It is named once, and counted in every draw.
TEST(RolloutSource, LeavesOutPromptsThatDoNotFitTheAuthor) {
  const std::string records =
      "{\"prompt\": \"a\"}\n{\"prompt\": \"" + std::string(200, 'x') + "\"}\n{\"prompt\": \"b\"}\n";
  const RolloutOptions options{.prompts = FilePrompts{"records.jsonl"}, .author = Author::kStudent, .group = 2};
  World world(options, endless, {}, records, /*student_room=*/100);
  for (int draw = 0; draw < 2; ++draw) {
    EXPECT_EQ(world.source->draw({.count = 6}).size(), 4U);
    EXPECT_EQ(world.source->left_out(), 2);
  }
  const std::string said = world.messages.str();
  EXPECT_NE(said.find("records.jsonl:2: the prompt has "), std::string::npos) << said;
  EXPECT_NE(said.find("max_new_tokens 32"), std::string::npos) << said;
  EXPECT_NE(said.find("the student's 100 positions"), std::string::npos) << said;
  EXPECT_EQ(std::ranges::count(said, '\n'), 1) << said;

  World none(options, endless, {}, records, /*student_room=*/10);
  try {
    none.source->draw({.count = 2});
    FAIL() << "there was room";
  } catch (const RunError& error) {
    EXPECT_NE(std::string(error.what()).find("records.jsonl:"), std::string::npos) << error.what();
  }
  EXPECT_TRUE(none.student.calls.empty());
  World fixed({.prompts = FilePrompts{"records.jsonl"}, .author = Author::kFixed}, endless, {},
              "{\"prompt\": \"a\", \"completion\": \"b\"}", /*student_room=*/10);
  EXPECT_EQ(fixed.source->draw({.count = 1}).size(), 1U);  // nobody writes
}

constexpr char kSums[] = "{\"prompt\": \"1+1\", \"reference\": \"2\"}\n";

RolloutOptions checked(std::int64_t group, Keep keep = Keep::kAll) {
  return {.prompts = FilePrompts{"sums.jsonl"},
          .author = Author::kStudent,
          .group = group,
          .verifier = NumberVerifier{},
          .keep = keep};
}

TEST(RolloutSource, RewardsWhatTheVerifierAccepts) {
  World world(checked(1), in_turn({"3", "it is 2", "?"}), {}, kSums);
  const auto rollouts = world.source->draw({.count = 3});
  ASSERT_EQ(rollouts.size(), 3U);
  EXPECT_EQ(rollouts[0].reward, 0);
  EXPECT_EQ(rollouts[1].reward, 1);
  EXPECT_EQ(rollouts[2].reward, 0);
  EXPECT_EQ(rollouts[0].reason, "differs from the reference");
  EXPECT_EQ(rollouts[2].reason, "no number");
  EXPECT_DOUBLE_EQ(*world.source->accepted_share(), 1.0 / 3);
  for (const Rollout& rollout : rollouts) EXPECT_FALSE(rollout.item.fields.contains("sibling"));  // no groups
}

TEST(RolloutSource, TheVerifierSeesNoStopString) {
  RolloutOptions options = checked(1);
  options.sampling.stop_strings = {";"};
  World world(options, in_turn({"2;3"}), {}, kSums);
  EXPECT_EQ(world.source->draw({.count = 1}).front().reward, 1);
  options.sampling.min_new_tokens = 3;  // the ';' is the second of them: it stopped nothing
  World later(options, in_turn({"2;3"}), {}, kSums);
  EXPECT_EQ(later.source->draw({.count = 1}).front().reward, 0);
}

TEST(RolloutSource, GivesEveryItemTheFirstAcceptedOtherOfItsGroup) {
  World world(checked(4), in_turn({"no 3", "<think>2?</think> yes 2 ", "also 2", "4", "5", "only 2", "6", "7"}),
              {.user = "{prompt}\n{sibling}"}, kSums);
  const auto rollouts = world.source->draw({.count = 8});
  ASSERT_EQ(rollouts.size(), 8U);
  const auto sibling = [&](std::size_t i) {
    const auto& fields = rollouts[i].item.fields;
    return fields.contains("sibling") ? fields.at("sibling") : "none";
  };
  EXPECT_EQ(sibling(0), "yes 2");
  EXPECT_EQ(sibling(1), "also 2");  // never itself
  EXPECT_EQ(sibling(2), "yes 2");
  EXPECT_EQ(sibling(3), "yes 2");
  EXPECT_EQ(sibling(4), "only 2");
  EXPECT_EQ(sibling(5), "none");
  EXPECT_EQ(sibling(6), "only 2");
  EXPECT_TRUE(world.teacher_view.prompt(rollouts[0].item).has_value());
  EXPECT_FALSE(world.teacher_view.prompt(rollouts[5].item).has_value());
}

TEST(RolloutSource, AnAuthorCannotSeeWhatIsNotWrittenYet) {
  RolloutOptions options = checked(4);
  options.author = Author::kTeacher;
  World world(options, endless, {.user = "{prompt}\n{sibling}"}, kSums);
  EXPECT_THROW(world.source->draw({.count = 4}), RunError);
  EXPECT_TRUE(world.teacher.calls.empty());
}

TEST(RolloutSource, KeepsOnlyAcceptedOnesWhereAsked) {
  World world(checked(2, Keep::kAccepted), in_turn({"1", "1", "2", "1"}), {}, kSums);
  const auto rollouts = world.source->draw({.count = 2});  // the first two are both wrong: it draws again
  ASSERT_EQ(rollouts.size(), 1U);
  EXPECT_EQ(rollouts[0].completion, (Tokens{'2', kEndOfTurn}));
  EXPECT_EQ(rollouts[0].reward, 1);
  EXPECT_EQ(world.source->accepted_share(), 0.5);
}

TEST(RolloutSource, SaysWhyTheVerifierRejectedEverything) {
  World world(checked(1, Keep::kAccepted), in_turn({"3", "3", "none"}), {}, kSums);
  try {
    world.source->draw({.count = 3});
    FAIL() << "nothing was accepted";
  } catch (const RunError& error) {
    EXPECT_NE(std::string(error.what()).find("differs from the reference"), std::string::npos) << error.what();
  }
}

// The signal comes while the completions are written: not one of them is verified.
TEST(RolloutSource, StopsBeforeTheNextVerdict) {
  const drystill::testing::TemporaryFolder folder;
  const std::string file = (folder / "verified").string();
  RolloutOptions options = checked(1);
  options.verifier = CommandVerifier{.command = {"touch", file}, .allow = true};
  World world(
      options,
      [](std::int64_t n, const Tokens& prompt) {
        request_stop(SIGTERM);
        return endless(n, prompt);
      },
      {}, kSums);
  EXPECT_THROW(world.source->draw({.count = 4}), Interrupted);
  request_stop(0);
  EXPECT_FALSE(std::filesystem::exists(file));
}

TEST(RolloutSource, GoesOnWhereItWas) {
  const RolloutOptions options{.prompts = VocabStartPrompts{}, .author = Author::kMixture};
  World world(options), resumed(options);
  world.source->draw({.count = 5, .batch = 16});
  resumed.source->draw({.count = 2});
  State state;
  world.source->save(StateWriter(state).part("rollouts"));
  world.seeds.save(StateWriter(state).part("seeds"));
  resumed.source->load(StateReader(state).part("rollouts"));
  resumed.seeds.load(StateReader(state).part("seeds"));
  for (int i = 0; i < 10; ++i) {
    const auto a = world.source->draw({.count = 40, .batch = 16}), b = resumed.source->draw({.count = 40, .batch = 16});
    ASSERT_EQ(a.size(), b.size());
    for (std::size_t k = 0; k < a.size(); ++k) {
      EXPECT_EQ(a[k].item.tokens, b[k].item.tokens);
      EXPECT_EQ(a[k].by_student, b[k].by_student);
    }
  }
  EXPECT_EQ(world.teacher.calls.back().options.seed, resumed.teacher.calls.back().options.seed);
}

}  // namespace
}  // namespace drystill::generator
