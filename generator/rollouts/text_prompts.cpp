#include "generator/rollouts/text_prompts.h"

#include <algorithm>
#include <array>

#include "core/error.h"
#include "generator/rollouts/random_numbers.h"
#include "generator/rollouts/shuffled_order.h"
#include "language/datasets/records.h"

namespace drystill::generator {
namespace {

// All texts as tokens, one behind the other; windows do not cross texts.
class Corpus {
 public:
  Corpus(const std::vector<std::string>& texts, const language::PromptEncoder& encoder) {
    for (const std::string& text : texts) texts_.push_back(encoder.text(text));
    std::erase_if(texts_, [](const auto& tokens) { return tokens.size() < 2; });
    ends_.reserve(texts_.size());
    for (const auto& tokens : texts_) ends_.push_back((ends_.empty() ? 0 : ends_.back()) + std::ssize(tokens));
    if (texts_.empty()) throw InputError("the text files hold no text of two tokens or more");
  }

  // A window of `length` tokens at a uniformly random place, shorter where its text is.
  std::vector<std::int64_t> window(std::int64_t length, const at::Generator& random) const {
    const std::int64_t place = random_integer(random, 0, ends_.back() - 1);
    const auto index = std::upper_bound(ends_.begin(), ends_.end(), place) - ends_.begin();
    const auto& text = texts_[static_cast<std::size_t>(index)];
    const std::int64_t taken = std::min(length, std::ssize(text));
    const std::int64_t first = std::ssize(text) - std::max(ends_[static_cast<std::size_t>(index)] - place, taken);
    return {text.begin() + first, text.begin() + first + taken};
  }

 private:
  std::vector<std::vector<std::int64_t>> texts_;
  std::vector<std::int64_t> ends_;  // where each ends among all tokens
};

class FileRecords final : public PromptSource {
 public:
  FileRecords(std::vector<language::Record> records, const PromptParts& parts)
      : records_(std::move(records)),
        encoder_(parts.encoder),
        order_(std::ssize(records_), parts.seeds.cpu_stream(parts.stream)) {}

  std::vector<Draft> next(std::int64_t count) override {
    std::vector<Draft> drafts;
    for (std::int64_t i = 0; i < count; ++i) {
      const auto& record = records_[order_.next()];
      Draft draft{.item = {.fields = record.fields, .tokens = {}, .origin = record.origin},
                  .completion = {},
                  .greedy_tokens = 0};
      if (const auto completion = record.fields.find("completion"); completion != record.fields.end()) {
        draft.completion = encoder_.completion(completion->second);
      }
      drafts.push_back(std::move(draft));
    }
    return drafts;
  }
  void save(StateWriter writer) const override { order_.save(writer); }
  void load(const StateReader& reader) override { order_.load(reader); }

 private:
  std::vector<language::Record> records_;
  const language::PromptEncoder& encoder_;
  ShuffledOrder order_;
};

class TextWindows final : public PromptSource {
 public:
  TextWindows(Corpus corpus, std::int64_t length, at::Generator random)
      : corpus_(std::move(corpus)), length_(length), random_(std::move(random)) {}

  std::vector<Draft> next(std::int64_t count) override {
    std::vector<Draft> drafts;
    for (std::int64_t i = 0; i < count; ++i) {
      const auto window = corpus_.window(length_ + 1, random_);
      drafts.push_back({.item = {.fields = {}, .tokens = {window.front()}},
                        .completion = {window.begin() + 1, window.end()},
                        .greedy_tokens = 0});
    }
    return drafts;
  }

 private:
  Corpus corpus_;
  std::int64_t length_;
  at::Generator random_;
};

// The five kinds of request of self-study (Cartridges, synthesizers/self_study.py), in our own words.
constexpr std::array<const char*, 5> kRequests = {
    "Write one request that asks to bring some part of the text above into a fixed form such as JSON or a table. "
    "Say exactly which part. Write only the request.",
    "Write one request for a summary of a certain part of the text above. Write only the request.",
    "Write one question about a fact in the text above that can be answered from it alone. Write only the question.",
    "Think of somebody who works with the text above, and write one request that this person would make. Write only "
    "the "
    "request.",
    "Write one creative request that needs the text above. Write only the request.",
};

class Dialogue final : public PromptSource {
 public:
  Dialogue(const DialoguePrompts& options, Corpus corpus, const PromptParts& parts)
      : options_(options),
        corpus_(std::move(corpus)),
        encoder_(parts.encoder),
        teacher_(parts.teacher),
        room_(parts.teacher_room - options.max_tokens),
        random_(parts.seeds.cpu_stream(parts.stream)) {
    std::int64_t longest = 0;
    for (const char* request : kRequests) longest = std::max(longest, std::ssize(asked({}, request)));
    if (longest + options.chunk_max > room_) {
      throw ConfigError("rollout.prompts: 'chunk_max' " + std::to_string(options.chunk_max) + ", the request's " +
                        std::to_string(longest) + " tokens and 'max_tokens' " + std::to_string(options.max_tokens) +
                        " pass the teacher's " + std::to_string(parts.teacher_room) + " positions; lower one of them");
    }
  }

  std::vector<Draft> next(std::int64_t count) override {
    std::vector<std::string> chunks;
    std::vector<std::vector<std::int64_t>> prompts;
    for (std::int64_t i = 0; i < count; ++i) {
      const std::int64_t length = random_integer(random_, options_.chunk_min, options_.chunk_max);
      std::vector<std::int64_t> chunk = corpus_.window(length, random_);
      const char* request = kRequests[static_cast<std::size_t>(random_integer(random_, 0, std::ssize(kRequests) - 1))];
      std::vector<std::int64_t> prompt = asked(encoder_.decode(chunk), request);
      // Cut text may come back as more tokens than it was.
      while (std::ssize(prompt) > room_ && chunk.size() > 1) {
        chunk.resize(chunk.size() - std::min(chunk.size() - 1, prompt.size() - static_cast<std::size_t>(room_)));
        prompt = asked(encoder_.decode(chunk), request);
      }
      chunks.push_back(encoder_.decode(chunk));
      prompts.push_back(std::move(prompt));
    }
    const auto written = teacher_.write(
        prompts,
        {.max_new_tokens = options_.max_tokens, .temperature = options_.temperature, .seed = random_seed(random_)});
    std::vector<Draft> drafts;
    for (std::size_t i = 0; i < chunks.size(); ++i) {
      drafts.push_back(
          {.item = {.fields = {{"chunk", chunks[i]}, {"prompt", encoder_.decode(written[i].tokens)}}, .tokens = {}},
           .completion = {},
           .greedy_tokens = 0});
    }
    return drafts;
  }

 private:
  std::vector<std::int64_t> asked(const std::string& chunk, const char* request) const {
    return encoder_.chat({}, chunk + "\n\n" + request, {});
  }

  DialoguePrompts options_;
  Corpus corpus_;
  const language::PromptEncoder& encoder_;
  Actor& teacher_;
  std::int64_t room_;  // tokens of a prompt
  at::Generator random_;
};

}  // namespace

std::unique_ptr<PromptSource> make_file_prompts(const FilePrompts& options, const PromptParts& parts) {
  std::vector<language::Record> records;
  for (const std::string& text : parts.open_texts({options.path})) {
    auto more = language::parse_records(text, options.path);
    std::ranges::move(more, std::back_inserter(records));
  }
  if (records.empty()) throw InputError(options.path + ": no record; expected one JSON object of texts a line");
  return std::make_unique<FileRecords>(std::move(records), parts);
}

std::unique_ptr<PromptSource> make_text_prompts(const TextPrompts& options, const PromptParts& parts) {
  return std::make_unique<TextWindows>(Corpus(parts.open_texts(options.paths), parts.encoder), parts.completion_length,
                                       parts.seeds.cpu_stream(parts.stream));
}

std::unique_ptr<PromptSource> make_dialogue_prompts(const DialoguePrompts& options, const PromptParts& parts) {
  if (!parts.encoder.has_chat_template()) {
    throw InputError("prompts 'dialogue': " + parts.encoder.tokenizer().source() +
                     " has no chat template, in which the teacher would be asked for a message; use an "
                     "instruction-tuned teacher, or the prompts 'text'");
  }
  return std::make_unique<Dialogue>(options, Corpus(parts.open_texts(options.paths), parts.encoder), parts);
}

}  // namespace drystill::generator
