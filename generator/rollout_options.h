#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/fields.h"
#include "generator/adversarial_prefix_options.h"
#include "generator/verifier_options.h"
#include "language/sampling/sampling_options.h"

namespace drystill::generator {

// Where prompts come from. The first four need no data at all: the teacher's own distribution is the only memory of it.

// The beginning-of-text token alone.
struct BosPrompts {
  static constexpr std::string_view kKey = "method";
  static constexpr std::string_view kName = "bos";

  template <class Field>
  void visit(Field&&) {}
  bool operator==(const BosPrompts&) const = default;
};

// LLM-QAT (arXiv 2305.17888, generate_data.py): one token of the vocabulary, every id in turn in a shuffled order; the
// teacher continues it greedily for three to five tokens and samples the rest. Several tokens are an addition of ours:
// the teacher is led to texts that it would not begin by itself.
struct VocabStartPrompts {
  static constexpr std::string_view kKey = "method";
  static constexpr std::string_view kName = "vocab_start";
  std::int64_t tokens_min = 1;
  std::int64_t tokens_max = 1;
  std::int64_t greedy_min = 3;
  std::int64_t greedy_max = 5;

  template <class Field>
  void visit(Field&& field) {
    field("tokens_min", tokens_min, "fewest tokens of the vocabulary that a text starts with", at_least(1));
    field("tokens_max", tokens_max, "most tokens of the vocabulary that a text starts with", at_least(1));
    field("greedy_min", greedy_min, "fewest tokens taken greedily before sampling begins", at_least(0));
    field("greedy_max", greedy_max, "most tokens taken greedily before sampling begins", at_least(0));
  }
  std::vector<Problem> problems() const {
    std::vector<Problem> found;
    if (tokens_min > tokens_max) found.push_back({"tokens_min", "must not exceed 'tokens_max'"});
    if (greedy_min > greedy_max) found.push_back({"greedy_min", "must not exceed 'greedy_max'"});
    return found;
  }
  bool operator==(const VocabStartPrompts&) const = default;
};

// Magpie (arXiv 2406.08464): the chat template up to where the user's text would begin; the aligned teacher writes it.
struct PreQueryPrompts {
  static constexpr std::string_view kKey = "method";
  static constexpr std::string_view kName = "pre_query";
  std::string system;
  std::int64_t max_tokens = 64;
  double temperature = 1;
  double top_p = 1;
  bool first_line_only = true;

  template <class Field>
  void visit(Field&& field) {
    field("system", system, "system message that steers the topics; empty: the template's own");
    field("max_tokens", max_tokens, "longest query", at_least(1));
    field("temperature", temperature, "of the query's tokens", at_least(0));
    field("top_p", top_p, "nucleus of the query's tokens",
          {.minimum = 0, .maximum = 1, .exclusive_minimum = true, .choices = {}});
    field("first_line_only", first_line_only, "a query ends at its first line break");
  }
  bool operator==(const PreQueryPrompts&) const = default;
};

// Uniformly random tokens, as completions of the first of them: what a data-free run is compared with.
struct RandomTokenPrompts {
  static constexpr std::string_view kKey = "method";
  static constexpr std::string_view kName = "random_tokens";

  template <class Field>
  void visit(Field&&) {}
  bool operator==(const RandomTokenPrompts&) const = default;
};

// Records of a JSONL file, a text by name each; "prompt" is the prompt and "completion" may be there. Real data: a run
// that uses it is not data-free.
struct FilePrompts {
  static constexpr std::string_view kKey = "method";
  static constexpr std::string_view kName = "file";
  std::string path;

  template <class Field>
  void visit(Field&& field) {
    field("path", path, "JSON lines, one object of texts each", required());
  }
  bool operator==(const FilePrompts&) const = default;
};

// Random windows of plain text files, as completions of their first token. Real data, for labelled comparisons.
struct TextPrompts {
  static constexpr std::string_view kKey = "method";
  static constexpr std::string_view kName = "text";
  std::vector<std::string> paths;

  template <class Field>
  void visit(Field&& field) {
    field("paths", paths, "text files, or folders of them", required());
  }
  bool operator==(const TextPrompts&) const = default;
};

// Self-study (Cartridges, arXiv 2506.06266): the teacher reads a random chunk of a corpus and writes a user's message
// about it; the item's fields are `chunk` and `prompt`.
struct DialoguePrompts {
  static constexpr std::string_view kKey = "method";
  static constexpr std::string_view kName = "dialogue";
  std::vector<std::string> paths;
  std::int64_t chunk_min = 512;
  std::int64_t chunk_max = 4096;
  std::int64_t max_tokens = 512;
  double temperature = 0.6;

  template <class Field>
  void visit(Field&& field) {
    field("paths", paths, "text files of the corpus, or folders of them", required());
    field("chunk_min", chunk_min, "fewest tokens of a chunk", at_least(1));
    field("chunk_max", chunk_max, "most tokens of a chunk", at_least(1));
    field("max_tokens", max_tokens, "longest message", at_least(1));
    field("temperature", temperature, "of the message's tokens", at_least(0));
  }
  std::vector<Problem> problems() const {
    if (chunk_min > chunk_max) return {{"chunk_min", "must not exceed 'chunk_max'"}};
    return {};
  }
  bool operator==(const DialoguePrompts&) const = default;
};

using PromptOptions = std::variant<BosPrompts, VocabStartPrompts, PreQueryPrompts, RandomTokenPrompts, FilePrompts,
                                   TextPrompts, DialoguePrompts>;

// Who writes the completion.
enum class Author {
  kFixed,         // the prompt source brought it
  kTeacher,       // from its own view
  kStudent,       // from its own view: on-policy
  kMixture,       // student or `mixture_with`, drawn anew for every batch (GKD, arXiv 2306.13649)
  kTokenMixture,  // every token from a mixture of both distributions (MiniLLM, arXiv 2306.08543)
};
constexpr auto enum_names(Author) {
  return std::to_array<std::string_view>({"fixed", "teacher", "student", "mixture", "token_mixture"});
}

// Who writes what the student of `mixture` does not.
enum class MixturePartner {
  kTeacher,  // GKD with its sequence-level variant: no given answers
  kFixed,    // the prompt source's completions, as GKD is published
};
constexpr auto enum_names(MixturePartner) {
  return std::to_array<std::string_view>({"teacher", "fixed"});
}

// What one author of `mixture` writes.
enum class MixtureUnit {
  kBatch,     // an optimizer batch, as GKD draws it
  kSequence,  // a prompt's completions
};
constexpr auto enum_names(MixtureUnit) {
  return std::to_array<std::string_view>({"batch", "sequence"});
}

// Which completions of a verifier are learnt from.
enum class Keep {
  kAll,       // rewards only
  kAccepted,  // rejection sampling (Sky-T1)
};
constexpr auto enum_names(Keep) {
  return std::to_array<std::string_view>({"all", "accepted"});
}

struct RolloutOptions {
  PromptOptions prompts = BosPrompts{};
  Author author = Author::kTeacher;
  double student_share = 0.5;
  MixturePartner mixture_with = MixturePartner::kTeacher;
  MixtureUnit mixture_per = MixtureUnit::kBatch;
  double teacher_share = 0.2;
  language::SamplingOptions sampling{.max_new_tokens = 128};
  std::int64_t group = 1;
  std::int64_t sampling_batch = 64;
  VerifierOptions verifier = NoVerifier{};
  Keep keep = Keep::kAll;
  std::string learn_only;
  std::optional<AdversarialPrefixOptions> adversarial_prefix;

  template <class Field>
  void visit(Field&& field) {
    field("prompts", prompts, "where prompts come from");
    field("author", author, "who writes completions: fixed, teacher, student, mixture, token_mixture");
    field("student_share", student_share, "mixture: probability that it is the student who writes (GKD's lambda)",
          between(0, 1));
    field("mixture_with", mixture_with, "mixture: who writes the rest, the teacher or the prompts' source (fixed)");
    field("mixture_per", mixture_per, "mixture: what one author writes, a batch (as published) or a sequence");
    field("teacher_share", teacher_share, "token_mixture: the teacher's share of every token (MiniLLM's alpha)",
          between(0, 1));
    field("sampling", sampling, "how completions are sampled");
    field("group", group, "completions of every prompt", at_least(1));
    field("sampling_batch", sampling_batch,
          "sequences sampled side by side; the text depends on it for a token mixture only", at_least(1));
    field(
        "verifier", verifier,
        "how completions are checked; with a group above 1 every item also gets the text `sibling`: the answer of the "
        "first accepted other completion of its group");
    field("keep", keep, "all, or only those that the verifier accepts");
    field(
        "learn_only", learn_only,
        "ICU regular expression: of a completion only the text of its first group is learnt (without groups: all that "
        "matches), say the answer behind a scratch-pad; completions without a match are left out. Empty: all of it");
    field("adversarial_prefix", adversarial_prefix,
          "experimental: trained keys and values before the context of the teacher as author, which seek disagreement; "
          "left out: none");
  }
  std::vector<Problem> problems() const {
    if (keep == Keep::kAccepted && std::holds_alternative<NoVerifier>(verifier)) {
      return {{"keep", "'accepted' needs a 'verifier'"}};
    }
    if (author == Author::kMixture && mixture_with == MixturePartner::kFixed && !brings_completions()) {
      return {{"mixture_with", "'fixed' needs prompts that bring completions: file, text or random_tokens"}};
    }
    if (author == Author::kFixed && !brings_completions()) {
      return {{"author", "'fixed' needs prompts that bring completions: file, text or random_tokens"}};
    }
    const bool compares = std::holds_alternative<ExactVerifier>(verifier) ||
                          std::holds_alternative<NumberVerifier>(verifier) ||
                          std::holds_alternative<ChoiceVerifier>(verifier);
    if (keep == Keep::kAccepted && compares && !std::holds_alternative<FilePrompts>(prompts)) {
      return {{"keep",
               "'accepted' would keep nothing: this 'verifier' compares with a reference, which 'file' prompts "
               "bring only"}};
    }
    const auto* starts = std::get_if<VocabStartPrompts>(&prompts);
    if (author == Author::kTokenMixture && starts != nullptr && starts->greedy_max > 0) {
      return {{"author", "'token_mixture' draws every token: set `greedy_min` and `greedy_max` of 'prompts' to 0"}};
    }
    if (sampling.seed != 0) return {{"sampling", "has its 'seed' from the run's `seed`; leave it out"}};
    if (!adversarial_prefix) return {};
    if (author != Author::kTeacher) return {{"adversarial_prefix", "needs the author 'teacher'"}};
    if (keep == Keep::kAccepted) {
      return {{"keep", "'accepted' hides what was rejected from 'adversarial_prefix', which learns from all it wrote"}};
    }
    if (!learn_only.empty()) return {{"learn_only", "leaves 'adversarial_prefix' nothing of what it wrote"}};
    if (!(sampling.temperature > 0) || !language::cuts_nothing(sampling)) {
      return {{"adversarial_prefix",
               "needs draws from the whole distribution: in 'sampling', a temperature above 0 and no top_k, top_p, "
               "min_p or min_new_tokens"}};
    }
    return {};
  }
  bool brings_completions() const {
    return std::holds_alternative<FilePrompts>(prompts) || std::holds_alternative<TextPrompts>(prompts) ||
           std::holds_alternative<RandomTokenPrompts>(prompts);
  }
  bool operator==(const RolloutOptions&) const = default;
};

}  // namespace drystill::generator
