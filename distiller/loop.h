#pragma once

#include <torch/types.h>

#include <filesystem>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "core/progress.h"
#include "core/seeds.h"
#include "core/state.h"
#include "curriculum/scheduler.h"
#include "distiller/language/sequence.h"
#include "distiller/options.h"
#include "journal/journal.h"

namespace drystill::distiller {

// One step's training data. Undefined tensors are absent.
struct Batch {
  torch::Tensor inputs;              // [N, ...], as the models take them
  torch::Tensor teacher_logits;      // [N, C] where the source already has them
  torch::Tensor labels;              // [N] int64, real data only
  torch::Tensor bank_slots;          // [N] int64 on the CPU: the sample's place in the replay bank, -1 for none
  std::vector<Sequence> sequences;   // language: N completions, in place of the tensors above
  std::vector<Sequence> plain_text;  // language: windows of real text beside them
};

using Metrics = std::vector<std::pair<std::string, double>>;

// What one student step measured. Tensors stay on the device until somebody needs the number.
struct StepReport {
  torch::Tensor loss;             // []
  torch::Tensor sample_losses;    // [N]
  torch::Tensor sample_weights;   // [N]
  torch::Tensor plain_text_loss;  // [], mean of a token's; undefined where the batch has none
};

// Where batches come from: a synthesizer and a replay bank, rollouts of a language model, or a real data set.
class InputSource {
 public:
  virtual ~InputSource() = default;
  // Interrupted leaves the source and its random streams where the same call, made again, gives the same batch.
  // DivergedError says what is not finite; the loop adds the step and what is kept.
  virtual Batch next(const curriculum::StagePlan& plan) = 0;
  // What became of the batch; a replay bank updates its weights.
  virtual void observe(const Batch&, const StepReport&) {}
  // Numbers for the journal since the last call (the generator's losses, say).
  virtual Metrics take_metrics() { return {}; }
  virtual void save(StateWriter writer) const = 0;
  virtual void load(const StateReader& reader) = 0;
};

// How the student changes on a batch.
class Learner {
 public:
  virtual ~Learner() = default;
  virtual StepReport step(const Batch& batch, const curriculum::StagePlan& plan) = 0;
  virtual double learning_rate() const = 0;
  virtual void save(StateWriter writer) const = 0;
  virtual void load(const StateReader& reader) = 0;
};

// Everything the loop turns. `evaluate` and `draw_samples` may be empty.
struct LoopParts {
  InputSource& source;
  Learner& learner;
  curriculum::Scheduler& scheduler;
  SeedStreams& seeds;
  journal::Journal& journal;
  Progress& progress;
  std::function<Metrics()> evaluate;
  std::function<void(std::int64_t step)> draw_samples;
  std::filesystem::path checkpoints;  // folder of this run's checkpoints
};

struct RunResult {
  std::int64_t steps = 0;
  Metrics last_evaluation;  // of the last step: what a data-free run may honestly report
};

// Runs from the newest valid checkpoint, or from step 0, to the end: plan, batch, step, observe, journal. Vision and
// language share it. Throws DivergedError as soon as a loss is NaN or infinite, or what would be saved is (nothing is
// saved after it), Interrupted after saving when a signal asked to stop.
RunResult run_loop(const LoopOptions& options, const LoopParts& parts);

}  // namespace drystill::distiller
