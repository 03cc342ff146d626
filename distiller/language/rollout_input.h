#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>

#include "curriculum/replay_bank.h"
#include "curriculum/rollout_ramps.h"
#include "distiller/language/options.h"
#include "distiller/language/sequence.h"
#include "distiller/language/sequence_codec.h"
#include "distiller/language/two_tokenizers.h"
#include "distiller/loop.h"
#include "generator/rollouts/adversarial_prefix.h"
#include "generator/rollouts/rollout_source.h"

namespace drystill::distiller {

struct RolloutInputOptions {
  std::int64_t batch = 16;
  std::int64_t draw = 64;
  std::int64_t passes = 1;
  std::int64_t candidates = 1;
  std::int64_t longest = 1024;
  std::int64_t skip_first = 0;         // tokens of a completion without a loss: one that has no others is left out
  std::int64_t top_k = 0;              // words of the teacher kept with every token in the bank
  bool own_log_probabilities = false;  // what the author itself says is kept beside what it drew from
  bool learn_prompts = false;  // a prompt's tokens but the first are learnt as well: one view, fixed completions
  curriculum::RolloutRampOptions ramps;
  curriculum::ReplayOptions replay;
  std::optional<TwoTokenizers> tokenizers;  // where teacher and student read with different ones
};

// Batches of completions: every few steps a draw of rollouts, of which the curriculum's window of divergence is kept;
// each batch is fresh sequences plus, once the bank holds a batch, some that come back.
class RolloutInput final : public InputSource {
 public:
  // What is asked of the teacher.
  struct Teacher {
    // Mean divergence of each sequence, for the window and the adversary. Not called where nobody asks.
    std::function<std::vector<double>(std::span<const Sequence>)> divergences;
    // Writes its k likeliest words into the sequences. Called with `top_k` only.
    std::function<void(std::span<Sequence>, std::int64_t k)> remember;
  };

  // adversary: the prefix that the rollouts' teacher writes behind, which learns from every draw; or null.
  RolloutInput(const RolloutInputOptions& options, generator::RolloutSource& rollouts,
               const language::View& teacher_view, const language::View& student_view, Teacher teacher,
               SeedStreams& seeds, generator::AdversarialPrefix* adversary = nullptr);

  Batch next(const curriculum::StagePlan& plan) override;
  void observe(const Batch& batch, const StepReport& report) override;
  Metrics take_metrics() override;
  void save(StateWriter writer) const override;
  void load(const StateReader& reader) override;

  std::int64_t tokens_written() const { return tokens_written_; }

 private:
  RowSize row_size() const;
  // What the views made of a draw; origins: the rollout that each sequence is.
  struct Rendered {
    std::vector<Sequence> sequences;
    std::vector<const generator::Rollout*> origins;
  };
  void refill(std::int64_t needed, const curriculum::StagePlan& plan);
  std::vector<generator::Rollout> draw(const generator::RolloutRequest& request);
  Rendered render(const std::vector<generator::Rollout>& rollouts) const;
  void teach_adversary(const Rendered& rendered, std::span<const double> divergences);
  void keep_window(std::vector<Sequence> sequences, std::span<const double> divergences,
                   const curriculum::RolloutPlan& plan);
  void repeat(std::size_t begin);

  RolloutInputOptions options_;
  generator::RolloutSource& rollouts_;
  const language::View& teacher_view_;
  const language::View& student_view_;
  Teacher teacher_;
  generator::AdversarialPrefix* adversary_;
  SeedStreams& seeds_;
  at::Generator replay_draws_;
  at::Generator pass_order_;
  std::deque<Sequence> waiting_;
  curriculum::ReplayBank bank_;  // rows of sequence_codec.h
  Metrics newest_;
  std::int64_t tokens_written_ = 0;
};

}  // namespace drystill::distiller
