#pragma once

#include <memory>
#include <vector>

#include "core/seeds.h"
#include "core/state.h"
#include "generator/rollout_options.h"
#include "generator/rollouts/actor.h"
#include "generator/rollouts/prompt_source.h"
#include "generator/rollouts/rollout.h"
#include "language/views/view.h"

namespace drystill::generator {

// The curriculum's wishes, in this room's words.
struct RolloutRequest {
  std::int64_t count = 1;
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
  SeedStreams& seeds;  // streams "rollout.author" and "rollout.sampling", on the CPU
};

// Prompts from a source, completions by an author: every method of language distillation is a choice of the two.
// An item that a view cannot render (it lacks a text that the template names) is left out.
class RolloutSource {
 public:
  RolloutSource(const RolloutOptions& options, RolloutParts parts);

  // At least one and at most `count` rollouts, whole groups only. Throws RunError where twenty draws in a row gave
  // none.
  std::vector<Rollout> draw(const RolloutRequest& request);

  void save(StateWriter writer) const { parts_.prompts->save(writer.part("prompts")); }
  void load(const StateReader& reader) { parts_.prompts->load(reader.part("prompts")); }

 private:
  Author author_of_batch();
  void write_by(Author author, std::vector<Rollout>& rollouts, const std::vector<std::int64_t>& greedy_tokens,
                const RolloutRequest& request);
  void write_mixed(std::vector<Rollout>& rollouts, const language::SamplingOptions& sampling);

  RolloutOptions options_;
  RolloutParts parts_;
  at::Generator author_random_;
  at::Generator sampling_random_;
};

}  // namespace drystill::generator
