#pragma once

#include <torch/types.h>

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "core/optimizer.h"
#include "core/seeds.h"
#include "core/state.h"
#include "generator/adversarial_prefix_options.h"
#include "generator/rollouts/actor.h"
#include "language/adapters/kv_prefix.h"
#include "language/models/causal_lm.h"
#include "language/models/packing.h"
#include "language/sampling/writable_ids.h"
#include "language/views/prompt_encoder.h"

namespace drystill::generator {

// What the prefixed teacher wrote behind a prompt, and what became of it.
struct AdversarialSample {
  std::vector<std::int64_t> prompt;      // as the teacher saw it, without the prefix
  std::vector<std::int64_t> completion;  // at least one token
  std::int64_t greedy_tokens = 0;        // so many of its first tokens were not drawn
  std::int64_t group = 0;                // samples of one prompt share it
  double disagreement = 0;               // KL(teacher || student) without the prefix, mean of the tokens
};

// Keys and values before the teacher's context that seek disagreement (experimental;
// docs/methods/adversarial_prefix.md). The prefixed teacher pi writes y behind x; teacher p_T and student p_S then see
// x and y without the prefix:
//   R(y) = mean_t KL(p_T || p_S)(. | x, y_<t)  -  fluency mean_t (-log p_T(y_t | x, y_<t))
// and the prefix climbs, by the score function with a leave-one-out baseline b (mean reward of the other samples of its
// prompt; of all other samples where a prompt has one),
//   E[ sum_t (R(y) - b) grad log pi(y_t | x, y_<t) ]  +  entropy E[ mean_t grad H(pi(. | x, y_<t)) ]
// The entropy's effect on later tokens is left out. Greedy tokens are no draws: they count in R, not in the gradient.
class AdversarialPrefix {
 public:
  // The prefix starts as `text`, of options.length tokens, read by the teacher, which outlives this. writable: what it
  // may write behind it.
  AdversarialPrefix(const AdversarialPrefixOptions& options, const language::CausalLm& teacher,
                    const std::vector<std::int64_t>& text, language::WritableIds writable = {});

  // Means over the samples.
  struct Report {
    double reward = 0;
    double disagreement = 0;
    double surprise = 0;  // -log p_T a token
    double entropy = 0;   // nats a token
  };
  struct Gradient {
    std::vector<torch::Tensor> gradients;  // of minus the objective, like prefix().parameters()
    Report report;
  };
  // What one step would follow; temperature: that the samples were drawn at, above 0. Gradients are zero where there
  // are fewer than two samples: there is no baseline.
  Gradient gradient(std::span<const AdversarialSample> samples, double temperature) const;
  // One step of the optimizer. Throws DivergedError for a reward that is not finite.
  Report learn(std::span<const AdversarialSample> samples, double temperature);

  const language::KvPrefix& prefix() const { return *prefix_; }
  void save(StateWriter writer) const;
  void load(const StateReader& reader);

 private:
  // -log p_T of the tokens of each sample without the prefix, mean -> one a sample.
  std::vector<double> surprises(std::span<const language::PromptedCompletion> texts) const;

  AdversarialPrefixOptions options_;
  const language::CausalLm& teacher_;
  language::WritableIds writable_;
  std::shared_ptr<language::KvPrefix> prefix_;
  Optimizer optimizer_;
};

// R - b of each reward, `groups` naming its prompt; 0 for a reward without any other.
std::vector<double> leave_one_out_advantages(std::span<const double> rewards, std::span<const std::int64_t> groups);

// `length` tokens that the teacher writes behind its beginning-of-text token, or behind a random word where it has
// none: what the prefix starts as. Stream "rollout.adversarial_prefix", on the CPU.
std::vector<std::int64_t> adversarial_start(Actor& teacher, const language::PromptEncoder& encoder, std::int64_t length,
                                            SeedStreams& seeds);

}  // namespace drystill::generator
