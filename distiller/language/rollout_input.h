#pragma once

#include <deque>
#include <functional>
#include <memory>

#include "curriculum/replay_bank.h"
#include "curriculum/rollout_ramps.h"
#include "distiller/language/options.h"
#include "distiller/language/sequence.h"
#include "distiller/loop.h"
#include "generator/rollouts/rollout_source.h"

namespace drystill::distiller {

struct RolloutInputOptions {
  std::int64_t batch = 16;
  std::int64_t draw = 64;
  std::int64_t candidates = 1;
  std::int64_t longest = 1024;
  bool learn_prompts = false;  // a prompt's tokens but the first are learnt as well: one view, fixed completions
  curriculum::RolloutRampOptions ramps;
  curriculum::ReplayOptions replay;
};

// Batches of completions: every few steps a draw of rollouts, of which the curriculum's window of divergence is kept;
// each batch is fresh sequences plus, once the bank holds a batch, some that come back.
class RolloutInput final : public InputSource {
 public:
  // Mean divergence of each sequence, for the window. Not called where it keeps everything.
  using Divergences = std::function<std::vector<double>(std::span<const Sequence>)>;

  RolloutInput(const RolloutInputOptions& options, generator::RolloutSource& rollouts,
               const language::View& teacher_view, const language::View& student_view, Divergences divergences,
               SeedStreams& seeds);

  Batch next(const curriculum::StagePlan& plan) override;
  void observe(const Batch& batch, const StepReport& report) override;
  Metrics take_metrics() override;
  void save(StateWriter writer) const override;
  void load(const StateReader& reader) override;

  std::int64_t tokens_written() const { return tokens_written_; }

 private:
  void refill(const curriculum::StagePlan& plan);
  std::vector<Sequence> render(const std::vector<generator::Rollout>& rollouts) const;

  RolloutInputOptions options_;
  generator::RolloutSource& rollouts_;
  const language::View& teacher_view_;
  const language::View& student_view_;
  Divergences divergences_;
  at::Generator replay_draws_;
  std::deque<Sequence> waiting_;
  curriculum::ReplayBank bank_;  // rows of sequence_codec.h
  Metrics newest_;
  std::int64_t tokens_written_ = 0;
};

}  // namespace drystill::distiller
