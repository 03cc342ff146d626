#include "generator/rollouts/data_free_prompts.h"

#include <ATen/ops/randint.h>

#include "core/error.h"
#include "generator/rollouts/random_numbers.h"
#include "generator/rollouts/shuffled_order.h"

namespace drystill::generator {
namespace {

class Bos final : public PromptSource {
 public:
  explicit Bos(std::int64_t bos) : bos_(bos) {}
  std::vector<Draft> next(std::int64_t count) override {
    return std::vector<Draft>(static_cast<std::size_t>(count),
                              Draft{.item = {.fields = {}, .tokens = {bos_}}, .completion = {}, .greedy_tokens = 0});
  }

 private:
  std::int64_t bos_;
};

// Every ordinary token once, in a fresh random order each time round.
class VocabStart final : public PromptSource {
 public:
  VocabStart(const VocabStartPrompts& options, std::vector<std::int64_t> tokens, const at::Generator& random)
      : options_(options), tokens_(std::move(tokens)), random_(random), order_(std::ssize(tokens_), random) {}

  std::vector<Draft> next(std::int64_t count) override {
    std::vector<Draft> drafts;
    for (std::int64_t i = 0; i < count; ++i) {
      Draft& draft = drafts.emplace_back();
      draft.greedy_tokens = random_integer(random_, options_.greedy_min, options_.greedy_max);
      const std::int64_t tokens = options_.tokens_min == options_.tokens_max
                                      ? options_.tokens_min
                                      : random_integer(random_, options_.tokens_min, options_.tokens_max);
      for (std::int64_t t = 0; t < tokens; ++t) draft.item.tokens.push_back(tokens_[order_.next()]);
    }
    return drafts;
  }
  void save(StateWriter writer) const override { order_.save(writer); }
  void load(const StateReader& reader) override { order_.load(reader); }

 private:
  VocabStartPrompts options_;
  std::vector<std::int64_t> tokens_;
  at::Generator random_;
  ShuffledOrder order_;
};

class PreQuery final : public PromptSource {
 public:
  PreQuery(const PreQueryPrompts& options, const PromptParts& parts)
      : options_(options),
        encoder_(parts.encoder),
        teacher_(parts.teacher),
        opening_(parts.encoder.user_opening(options.system)),
        random_(parts.seeds.cpu_stream(parts.stream)) {
    if (std::ssize(opening_) + options.max_tokens > parts.teacher_room) {
      throw ConfigError("rollout.prompts: 'max_tokens' " + std::to_string(options.max_tokens) + " behind the " +
                        std::to_string(opening_.size()) + " tokens of the template pass the teacher's " +
                        std::to_string(parts.teacher_room) + " positions; lower it");
    }
  }

  // Empty queries are drawn again, and after some attempts done without.
  std::vector<Draft> next(std::int64_t count) override {
    constexpr int kAttempts = 20;
    std::vector<Draft> drafts;
    for (int attempt = 0; attempt < kAttempts && std::ssize(drafts) < count; ++attempt) {
      const auto missing = static_cast<std::size_t>(count) - drafts.size();
      language::SamplingOptions sampling{.max_new_tokens = options_.max_tokens,
                                         .temperature = options_.temperature,
                                         .top_p = options_.top_p,
                                         .seed = random_seed(random_)};
      if (options_.first_line_only) sampling.stop_strings = {"\n"};
      const std::vector<std::vector<std::int64_t>> prompts(missing, opening_);
      for (const Written& written : teacher_.write(prompts, sampling)) {
        std::string query = clean(encoder_.decode(written.tokens));
        if (!query.empty())
          drafts.push_back(
              {.item = {.fields = {{"prompt", std::move(query)}}, .tokens = {}}, .completion = {}, .greedy_tokens = 0});
      }
    }
    if (!drafts.empty()) return drafts;
    throw RunError("[generator.pre_query] the teacher wrote nothing but empty queries in " + std::to_string(kAttempts) +
                   " attempts; is it an instruction-tuned model?");
  }

 private:
  std::string clean(std::string query) const {
    if (options_.first_line_only) query = query.substr(0, query.find('\n'));
    const auto first = query.find_first_not_of(" \t\r\n");
    if (first == std::string::npos) return {};
    return query.substr(first, query.find_last_not_of(" \t\r\n") - first + 1);
  }

  PreQueryPrompts options_;
  const language::PromptEncoder& encoder_;
  Actor& teacher_;
  std::vector<std::int64_t> opening_;
  at::Generator random_;
};

class RandomTokens final : public PromptSource {
 public:
  RandomTokens(std::vector<std::int64_t> tokens, std::int64_t length, at::Generator random)
      : tokens_(std::move(tokens)), length_(length), random_(std::move(random)) {}

  std::vector<Draft> next(std::int64_t count) override {
    std::vector<Draft> drafts;
    for (std::int64_t i = 0; i < count; ++i) {
      const torch::Tensor drawn = at::randint(0, static_cast<std::int64_t>(tokens_.size()), {length_ + 1}, random_,
                                              torch::TensorOptions(torch::kInt64));
      Draft draft;
      const auto* index = drawn.const_data_ptr<std::int64_t>();
      draft.item.tokens = {tokens_[static_cast<std::size_t>(index[0])]};
      for (std::int64_t t = 1; t <= length_; ++t) {
        draft.completion.push_back(tokens_[static_cast<std::size_t>(index[t])]);
      }
      drafts.push_back(std::move(draft));
    }
    return drafts;
  }

 private:
  std::vector<std::int64_t> tokens_;
  std::int64_t length_;
  at::Generator random_;
};

}  // namespace

std::unique_ptr<PromptSource> make_bos_prompts(const BosPrompts&, const PromptParts& parts) {
  const auto bos = parts.encoder.beginning_of_text();
  if (!bos)
    throw InputError("prompts 'bos': the teacher's tokenizer has no beginning-of-text token; use 'vocab_start'");
  return std::make_unique<Bos>(*bos);
}

std::unique_ptr<PromptSource> make_vocab_start_prompts(const VocabStartPrompts& options, const PromptParts& parts) {
  return std::make_unique<VocabStart>(options, parts.encoder.ordinary_tokens(), parts.seeds.cpu_stream(parts.stream));
}

std::unique_ptr<PromptSource> make_pre_query_prompts(const PreQueryPrompts& options, const PromptParts& parts) {
  if (!parts.encoder.has_chat_template()) {
    throw InputError("prompts 'pre_query': " + parts.encoder.tokenizer().source() +
                     " has no chat template, behind whose opening the teacher would write a user's text; use an "
                     "instruction-tuned teacher, or the prompts 'vocab_start' or 'bos'");
  }
  return std::make_unique<PreQuery>(options, parts);
}

std::unique_ptr<PromptSource> make_random_token_prompts(const RandomTokenPrompts&, const PromptParts& parts) {
  return std::make_unique<RandomTokens>(parts.encoder.ordinary_tokens(), parts.completion_length,
                                        parts.seeds.cpu_stream(parts.stream));
}

}  // namespace drystill::generator
