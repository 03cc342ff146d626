#pragma once

#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/progress.h"
#include "core/seeds.h"
#include "core/state.h"
#include "generator/rollout_options.h"
#include "generator/rollouts/actor.h"
#include "generator/rollouts/prompt_source.h"
#include "generator/rollouts/rollout.h"
#include "generator/rollouts/text_pattern.h"
#include "generator/rollouts/verifier.h"
#include "language/views/view.h"

namespace drystill::generator {

// The curriculum's wishes, in this room's words.
struct RolloutRequest {
  std::int64_t count = 1;
  std::int64_t batch = 0;         // rollouts of one author of a mixture, over draws; 0: a draw's
  double length_factor = 1;       // of sampling.max_new_tokens
  double temperature_factor = 1;  // of sampling.temperature
};

// Both distributions at once: writes tokens from alpha p_teacher + (1 - alpha) p_student.
class MixedActor {
 public:
  struct Mixed {
    Written written;                // log_probabilities are the student's
    std::vector<float> importance;  // p_student / p_mixture of each token
  };
  virtual ~MixedActor() = default;
  // The two prompts of a sequence may differ: the views.
  virtual std::vector<Mixed> write(std::span<const std::vector<std::int64_t>> teacher_prompts,
                                   std::span<const std::vector<std::int64_t>> student_prompts, double teacher_share,
                                   const language::SamplingOptions& options) = 0;
};

struct RolloutParts {
  std::unique_ptr<PromptSource> prompts;
  Actor& teacher;
  Actor& student;
  MixedActor* mixed = nullptr;  // token_mixture only
  const language::View& teacher_view;
  const language::View& student_view;
  const language::PromptEncoder& encoder;  // reads completions for the verifier
  SeedStreams& seeds;                      // streams "rollout.author" and "rollout.sampling", on the CPU
  const language::PromptEncoder* teacher_encoder = nullptr;  // of what the teacher wrote; null: `encoder`
  // Tokens that fit each model as an author, prompt and completion.
  std::int64_t teacher_room = std::numeric_limits<std::int64_t>::max();
  std::int64_t student_room = std::numeric_limits<std::int64_t>::max();
  Progress* progress = nullptr;  // is told, once, of an item that does not fit
};

// Prompts from a source, completions by an author: every method of language distillation is a choice of the two.
// An item that a view cannot render (it lacks a text that the template names) is left out, and so is one whose prompt
// leaves its author no room for sampling.max_new_tokens.
//
// With a verifier every rollout has a reward. In groups of several, the item of each then has the text `sibling` where
// another completion of its group is right: the answer of the first of those, without its thinking (SDPO, arXiv
// 2601.20802). Items without one are drawn all the same, and it is for their reader to leave out those that a view
// cannot render. A view of the model that writes cannot name it: it writes before there is a sibling.
class RolloutSource {
 public:
  // Throws ConfigError for a verifier that cannot be made, or a pattern that cannot be read.
  RolloutSource(const RolloutOptions& options, RolloutParts parts);

  // At least one rollout, of `count` in whole groups (one group at least), less what is left out: items that a view
  // cannot render, empty completions, with Keep::kAccepted what the verifier rejects and what has no part to learn.
  // Throws RunError where twenty
  // draws in a row left nothing; Interrupted where a signal asked to stop.
  std::vector<Rollout> draw(const RolloutRequest& request);

  // Rollouts that the last draw left out before they were written.
  std::int64_t left_out() const { return left_out_; }
  // What the verifier accepted of the last draw, rejected completions included; nothing without a verifier.
  std::optional<double> accepted_share() const { return accepted_share_; }

  void save(StateWriter writer) const;
  void load(const StateReader& reader);

 private:
  Author current_author(std::int64_t batch);
  bool is_usable(const language::Item& item, Author author, std::int64_t new_tokens);
  bool fits(const language::Item& item, std::int64_t prompt, std::int64_t new_tokens, Author author);
  language::SamplingOptions sampling_of(const RolloutRequest& request) const;
  void verify(std::vector<Rollout>& rollouts);
  const language::PromptEncoder& encoder_of(const Rollout& rollout) const;
  std::string text_of(const Rollout& rollout) const;
  void take_answers(std::vector<Rollout>& rollouts);
  // Writes the rollouts whose author that is.
  void write_by(Author author, const std::vector<Author>& authors, std::vector<Rollout>& rollouts,
                const std::vector<std::int64_t>& greedy_tokens, const RolloutRequest& request);
  void write_mixed(std::vector<Rollout>& rollouts, const language::SamplingOptions& sampling);

  RolloutOptions options_;
  RolloutParts parts_;
  at::Generator author_random_;
  at::Generator sampling_random_;
  Author author_ = Author::kTeacher;    // of the mixture, now
  std::int64_t author_left_ = 0;        // rollouts that it still writes
  std::unique_ptr<Verifier> verifier_;  // null: nothing is checked
  std::optional<TextPattern> answer_;   // nothing: completions are learnt whole
  std::optional<double> accepted_share_;
  std::int64_t left_out_ = 0;
  std::string too_long_;                            // the first item that ever was, and why
  std::map<std::string, std::int64_t> rejections_;  // of the last draw, by reason
};

}  // namespace drystill::generator
