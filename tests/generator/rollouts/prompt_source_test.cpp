#include "generator/rollouts/prompt_source.h"

#include <gtest/gtest.h>

#include <set>

#include "tests/generator/rollouts/fakes.h"

namespace drystill::generator {
namespace {

using testing::bytes_of;
using testing::endless;
using testing::kBeginOfText;
using testing::kEndOfTurn;
using testing::SourceWorld;
using testing::texts;
using testing::Tokens;

std::string message_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(BosPrompts, AreTheBeginOfTextAlone) {
  SourceWorld world;
  const auto drafts = world.make(BosPrompts{})->next(3);
  ASSERT_EQ(drafts.size(), 3U);
  for (const Draft& draft : drafts) {
    EXPECT_EQ(draft.item.tokens, Tokens{kBeginOfText});
    EXPECT_TRUE(draft.item.fields.empty());
    EXPECT_TRUE(draft.completion.empty());
    EXPECT_EQ(draft.greedy_tokens, 0);
  }
}

TEST(VocabStartPrompts, TakeEveryOrdinaryTokenOnceARound) {
  SourceWorld world;
  const auto source = world.make(VocabStartPrompts{.greedy_min = 3, .greedy_max = 5});
  Tokens first_round, second_round;
  for (Tokens* round : {&first_round, &second_round}) {
    std::set<std::int64_t> seen, greedy;
    for (const std::int64_t count : {1, 31, 224}) {
      for (const Draft& draft : source->next(count)) {
        ASSERT_EQ(draft.item.tokens.size(), 1U);
        round->push_back(draft.item.tokens.front());
        seen.insert(draft.item.tokens.front());
        greedy.insert(draft.greedy_tokens);
      }
    }
    EXPECT_EQ(seen.size(), 256U);
    EXPECT_LT(*seen.rbegin(), kBeginOfText);
    EXPECT_EQ(greedy, (std::set<std::int64_t>{3, 4, 5}));
  }
  EXPECT_NE(first_round, second_round);
}

TEST(VocabStartPrompts, StartWithAsManyTokensAsAsked) {
  SourceWorld world;
  std::set<std::size_t> lengths;
  Tokens round;
  const auto source = world.make(VocabStartPrompts{.tokens_min = 2, .tokens_max = 4});
  while (round.size() < 256) {
    const Tokens tokens = source->next(1).front().item.tokens;
    lengths.insert(tokens.size());
    round.insert(round.end(), tokens.begin(), tokens.end());
  }
  EXPECT_EQ(lengths, (std::set<std::size_t>{2, 3, 4}));
  round.resize(256);  // still every token once before any comes again
  EXPECT_EQ(std::set<std::int64_t>(round.begin(), round.end()).size(), 256U);
}

TEST(PreQueryPrompts, AreWhatTheTeacherWritesInTheUsersPlace) {
  SourceWorld world([](std::int64_t n, const Tokens&) {
    return bytes_of(n == 0 ? "  What is dry ice? \nIt is" : n == 1 ? " \t\nsecond line" : "Why?");
  });
  const auto source = world.make(PreQueryPrompts{.system = "Be brief.", .max_tokens = 40, .temperature = 0.7});
  const auto drafts = source->next(2);
  ASSERT_EQ(drafts.size(), 2U);
  EXPECT_EQ(drafts[0].item.fields.at("prompt"), "What is dry ice?");
  EXPECT_EQ(drafts[1].item.fields.at("prompt"), "Why?");  // the empty one in between was asked for again
  ASSERT_EQ(world.teacher.calls.size(), 2U);
  EXPECT_EQ(world.teacher.calls[0].prompts, std::vector<Tokens>(2, world.encoder.user_opening("Be brief.")));
  EXPECT_EQ(world.teacher.calls[1].prompts.size(), 1U);
  EXPECT_EQ(world.teacher.calls[0].options.temperature, 0.7);
  EXPECT_EQ(world.teacher.calls[0].options.max_new_tokens, 40);
  EXPECT_NE(world.teacher.calls[0].options.seed, world.teacher.calls[1].options.seed);
}

TEST(PreQueryPrompts, MayHaveSeveralLines) {
  SourceWorld world([](std::int64_t, const Tokens&) { return bytes_of("one\ntwo\n"); });
  const auto source = world.make(PreQueryPrompts{.first_line_only = false});
  EXPECT_EQ(source->next(1)[0].item.fields.at("prompt"), "one\ntwo");
  EXPECT_TRUE(world.teacher.calls[0].options.stop_strings.empty());
}

TEST(PreQueryPrompts, GiveUpOnATeacherThatWritesNothing) {
  SourceWorld world([](std::int64_t, const Tokens&) { return Tokens{kEndOfTurn}; });
  const auto source = world.make(PreQueryPrompts{});
  EXPECT_THROW(source->next(2), RunError);
  EXPECT_NE(message_of([&] { source->next(2); }).find("nothing but empty queries"), std::string::npos);
}

TEST(PreQueryPrompts, AreFewerWhereTheTeacherOftenWritesNothing) {
  SourceWorld world([](std::int64_t n, const Tokens&) { return bytes_of(n == 0 ? "Why?" : " "); });
  EXPECT_EQ(world.make(PreQueryPrompts{})->next(3).size(), 1U);
}

TEST(PromptSources, SayWhereTheTeacherHasNoRoom) {
  SourceWorld world;
  world.room = 60;
  EXPECT_NE(message_of([&] { world.make(PreQueryPrompts{.max_tokens = 60}); }).find("'max_tokens' 60"),
            std::string::npos);
  EXPECT_NE(message_of([&] {
              world.make(DialoguePrompts{.paths = {"a"}, .chunk_min = 1, .chunk_max = 30, .max_tokens = 8},
                         texts({"some text"}));
            }).find("'chunk_max' 30"),
            std::string::npos);
  world.room = 1000;
  EXPECT_EQ(
      world
          .make(DialoguePrompts{.paths = {"a"}, .chunk_min = 1, .chunk_max = 30, .max_tokens = 8}, texts({"some text"}))
          ->next(2)
          .size(),
      2U);
}

TEST(FilePrompts, RefuseAnOrderOfOtherRecords) {
  SourceWorld world;
  const auto of = [&](int records) {
    std::string lines;
    for (int i = 0; i < records; ++i) lines += "{\"prompt\": \"a\"}\n";
    return world.make(FilePrompts{"records.jsonl"}, texts({lines}));
  };
  State state;
  const auto saved = of(40);
  saved->next(12);
  saved->save(StateWriter(state, "prompts."));
  for (const int records : {8, 41}) {
    EXPECT_NE(message_of([&] { of(records)->load(StateReader(state, "prompts.")); }).find("40 records"),
              std::string::npos);
  }
  of(40)->load(StateReader(state, "prompts."));
  State damaged = state;
  for (auto& [name, order] : damaged.tensors) order = order.clone().fill_(40);
  EXPECT_NE(message_of([&] { of(40)->load(StateReader(damaged, "prompts.")); }).find("damaged"), std::string::npos);
}

TEST(RandomTokenPrompts, HoldNoSpecialToken) {
  SourceWorld world;
  std::set<std::int64_t> seen;
  for (const Draft& draft : world.make(RandomTokenPrompts{}, testing::no_texts, 50)->next(100)) {
    ASSERT_EQ(draft.item.tokens.size(), 1U);
    ASSERT_EQ(draft.completion.size(), 50U);
    seen.insert(draft.item.tokens.begin(), draft.item.tokens.end());
    seen.insert(draft.completion.begin(), draft.completion.end());
  }
  EXPECT_EQ(*seen.begin(), 0);
  EXPECT_EQ(*seen.rbegin(), 255);
}

TEST(PromptSources, SayWhatHelpsWithoutAChatTemplate) {
  const drystill::testing::TemporaryFolder folder;
  drystill::testing::write_tiny_tokenizer(folder.path());
  std::ofstream(folder / "tokenizer_config.json") << "{}";
  SourceWorld world;
  world.encoder = language::PromptEncoder(language::load_tokenizer(folder.path()));
  for (const PromptOptions& options : {PromptOptions{PreQueryPrompts{}}, PromptOptions{DialoguePrompts{{"corpus"}}}}) {
    const std::string message = message_of([&] { world.make(options); });
    EXPECT_NE(message.find(folder.path().string()), std::string::npos) << message;
    EXPECT_NE(message.find("instruction-tuned"), std::string::npos) << message;
    EXPECT_EQ(message.find("chat: false"), std::string::npos) << message;
  }
}

TEST(PromptSources, WithoutDataNeverOpenATextFile) {
  for (const PromptOptions& options : {PromptOptions(BosPrompts{}), PromptOptions(VocabStartPrompts{}),
                                       PromptOptions(PreQueryPrompts{}), PromptOptions(RandomTokenPrompts{})}) {
    SourceWorld world;
    EXPECT_EQ(world.make(options, testing::no_texts)->next(5).size(), 5U);
  }
}

TEST(PromptSources, OfDataReadThroughTheOpenerOnly) {
  for (const PromptOptions& options :
       {PromptOptions(FilePrompts{"records.jsonl"}), PromptOptions(TextPrompts{{"a.txt"}}),
        PromptOptions(DialoguePrompts{.paths = {"a.txt"}})}) {
    SourceWorld world;
    EXPECT_EQ(message_of([&] { world.make(options, testing::no_texts); }), "a text was opened");
  }
}

TEST(FilePrompts, TakeEveryRecordOnceARound) {
  SourceWorld world;
  const auto source = world.make(FilePrompts{"records.jsonl"}, texts({R"({"prompt": "1+1", "reference": 2}
{"prompt": "2+2", "reference": 4, "completion": "4"}
)"}));
  for (int round = 0; round < 5; ++round) {
    std::map<std::string, Draft> by_prompt;
    for (Draft& draft : source->next(2)) by_prompt[draft.item.fields.at("prompt")] = std::move(draft);
    ASSERT_EQ(by_prompt.size(), 2U);
    EXPECT_EQ(by_prompt["1+1"].item.fields.at("reference"), "2");
    EXPECT_TRUE(by_prompt["1+1"].completion.empty());
    EXPECT_EQ(by_prompt["2+2"].completion, (Tokens{'4', kEndOfTurn}));
    EXPECT_TRUE(by_prompt["2+2"].item.tokens.empty());
  }
}

TEST(FilePrompts, NameTheFileAndLineOfADamagedRecord) {
  SourceWorld world;
  const auto error_of = [&](const std::string& content) {
    return message_of([&] { world.make(FilePrompts{"records.jsonl"}, texts({content})); });
  };
  EXPECT_TRUE(error_of("{\"prompt\": \"x\"}\n{\"prompt\"").starts_with("records.jsonl:2:"));
  EXPECT_TRUE(error_of("\n \n").starts_with("records.jsonl: no record"));
}

TEST(TextPrompts, StayWithinOneText) {
  SourceWorld world;
  const auto source = world.make(TextPrompts{{"folder"}},
                                 texts({std::string(30, 'a'), std::string(60, 'b'), "c", std::string(3, 'd')}), 9);
  std::map<std::int64_t, int> windows;
  for (const Draft& draft : source->next(400)) {
    ASSERT_EQ(draft.item.tokens.size(), 1U);
    const std::int64_t letter = draft.item.tokens.front();
    EXPECT_EQ(draft.completion, Tokens(letter == 'd' ? 2 : 9, letter));
    ++windows[letter];
  }
  EXPECT_EQ(windows.size(), 3U);  // "c" has nothing behind its first token
  EXPECT_GT(windows['b'], windows['a']);
  EXPECT_GT(windows['a'], windows['d']);
}

TEST(TextPrompts, NeedTwoTokens) {
  SourceWorld world;
  EXPECT_NE(message_of([&] {
              world.make(TextPrompts{{"a.txt"}}, texts({"c", ""}));
            }).find("two tokens"),
            std::string::npos);
}

TEST(DialoguePrompts, AreAboutTheChunkThatTheTeacherRead) {
  SourceWorld world([](std::int64_t n, const Tokens&) {
    Tokens message = bytes_of("question " + std::to_string(n));
    message.push_back(kEndOfTurn);
    return message;
  });
  const auto source =
      world.make(DialoguePrompts{.paths = {"a.txt"}, .chunk_min = 5, .chunk_max = 7, .temperature = 0.3},
                 texts({"abcdefghijklmnopqrstuvwxyz"}));
  const auto drafts = source->next(20);
  ASSERT_EQ(drafts.size(), 20U);
  std::set<std::size_t> sizes;
  for (std::size_t i = 0; i < drafts.size(); ++i) {
    const auto& fields = drafts[i].item.fields;
    const std::string& chunk = fields.at("chunk");
    sizes.insert(chunk.size());
    EXPECT_NE(std::string("abcdefghijklmnopqrstuvwxyz").find(chunk), std::string::npos);
    EXPECT_EQ(fields.at("prompt"), "question " + std::to_string(i));
    const std::string read = world.encoder.decode(world.teacher.calls[0].prompts[i]);
    EXPECT_NE(read.find(chunk + "\n\n"), std::string::npos);
  }
  EXPECT_EQ(sizes, (std::set<std::size_t>{5, 6, 7}));
  EXPECT_EQ(world.teacher.calls[0].options.temperature, 0.3);
}

class ResumedSource : public ::testing::TestWithParam<PromptOptions> {};

TEST_P(ResumedSource, GoesOnWhereItWas) {
  const auto open = texts({R"({"prompt": "a"}
{"prompt": "b"}
{"prompt": "c"}
{"prompt": "d"}
)"});
  const auto told = [](const std::vector<Draft>& drafts) {
    std::string text;
    for (const Draft& draft : drafts) {
      for (const auto& [name, value] : draft.item.fields) text += name + "=" + value + " ";
      for (const Tokens& tokens : {draft.item.tokens, draft.completion}) {
        for (const std::int64_t token : tokens) text += std::to_string(token) + ",";
      }
      text += std::to_string(draft.greedy_tokens) + ";";
    }
    return text;
  };
  for (const std::int64_t before : {0, 1, 3, 4}) {
    SourceWorld world(endless, 7), resumed(endless, 7);
    const auto source = world.make(GetParam(), open), other = resumed.make(GetParam(), open);
    if (before > 0) source->next(before);
    other->next(2);
    State state;
    source->save(StateWriter(state).part("source"));
    world.seeds.save(StateWriter(state).part("seeds"));
    other->load(StateReader(state).part("source"));
    resumed.seeds.load(StateReader(state).part("seeds"));
    EXPECT_EQ(told(source->next(9)), told(other->next(9)));
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, ResumedSource,
                         ::testing::Values(PromptOptions(VocabStartPrompts{}), PromptOptions(RandomTokenPrompts{}),
                                           PromptOptions(FilePrompts{"records.jsonl"}),
                                           PromptOptions(TextPrompts{{"records.jsonl"}})),
                         [](const auto& instance) {
                           return std::visit([](const auto& options) { return std::string(options.kName); },
                                             instance.param);
                         });

}  // namespace
}  // namespace drystill::generator
