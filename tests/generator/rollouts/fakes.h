#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "core/error.h"
#include "generator/rollouts/prompt_source.h"
#include "generator/rollouts/rollout_source.h"
#include "language/tokenizer/load_tokenizer.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/tiny_language_model.h"

namespace drystill::generator::testing {

using Tokens = std::vector<std::int64_t>;

// Of the tiny tokenizer of tests/support: an id below 256 is that byte.
constexpr std::int64_t kBeginOfText = 256, kEndOfTurn = 258;

inline Tokens bytes_of(std::string_view text) {
  Tokens tokens;
  for (const char c : text) tokens.push_back(static_cast<unsigned char>(c));
  return tokens;
}

inline language::PromptEncoder tiny_encoder() {
  const drystill::testing::TemporaryFolder folder;
  drystill::testing::write_tiny_tokenizer(folder.path());
  return language::PromptEncoder(language::load_tokenizer(folder.path()));
}

// Writes what it is told to, and keeps what it was asked.
class FakeActor final : public Actor {
 public:
  struct Call {
    std::vector<Tokens> prompts;
    language::SamplingOptions options;
  };
  // The tokens behind the n-th prompt that it was ever given, cut at max_new_tokens.
  using Writer = std::function<Tokens(std::int64_t n, const Tokens& prompt)>;

  explicit FakeActor(Writer writer) : writer_(std::move(writer)) {}
  // The same text behind every prompt, and the end of a turn.
  explicit FakeActor(std::string text)
      : FakeActor([text = std::move(text)](std::int64_t, const Tokens&) {
          Tokens tokens = bytes_of(text);
          tokens.push_back(kEndOfTurn);
          return tokens;
        }) {}

  std::vector<Written> write(std::span<const Tokens> prompts, const language::SamplingOptions& options) override {
    calls.push_back({{prompts.begin(), prompts.end()}, options});
    std::vector<Written> all;
    for (const Tokens& prompt : prompts) {
      Written& written = all.emplace_back();
      written.tokens = writer_(written_++, prompt);
      written.finished = std::ssize(written.tokens) <= options.max_new_tokens && !written.tokens.empty() &&
                         written.tokens.back() == kEndOfTurn;
      if (std::ssize(written.tokens) > options.max_new_tokens) written.tokens.resize(options.max_new_tokens);
      written.log_probabilities.assign(written.tokens.size(), -0.5F);
    }
    return all;
  }

  std::vector<Call> calls;

 private:
  Writer writer_;
  std::int64_t written_ = 0;
};

// No end in sight: 'a' as long as it is let.
inline Tokens endless(std::int64_t, const Tokens&) {
  return Tokens(10000, 'a');
}

// For sources that must not read anything.
inline std::vector<std::string> no_texts(const std::vector<std::string>&) {
  throw InputError("a text was opened");
}

inline TextOpener texts(std::vector<std::string> contents) {
  return [contents = std::move(contents)](const std::vector<std::string>&) { return contents; };
}

// A prompt source with everything that it needs.
struct SourceWorld {
  explicit SourceWorld(FakeActor::Writer writer = endless, std::uint64_t seed = 1)
      : teacher(std::move(writer)), seeds(seed) {}
  std::unique_ptr<PromptSource> make(const PromptOptions& options, TextOpener open = no_texts,
                                     std::int64_t length = 8) {
    return make_prompt_source(options, {.encoder = encoder,
                                        .teacher = teacher,
                                        .open_texts = std::move(open),
                                        .completion_length = length,
                                        .seeds = seeds,
                                        .teacher_room = room});
  }
  language::PromptEncoder encoder = tiny_encoder();
  FakeActor teacher;
  SeedStreams seeds;
  std::int64_t room = 100000;  // tokens that fit the teacher
};

}  // namespace drystill::generator::testing
