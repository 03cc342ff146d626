#pragma once

#include <cstdint>
#include <memory>

#include "core/state.h"
#include "curriculum/options.h"

namespace drystill::curriculum {

// What the curriculum asks of one step, in plain numbers.
struct StagePlan {
  std::int64_t step = 0;          // student step, from 0
  double progress = 0;            // step / total steps, in [0, 1)
  double adversarial_weight = 0;  // of the generator's adversarial term
  double easy_threshold = 0;      // lambda of the sample weights
  Pacing pacing = Pacing::kNone;
  Granularity granularity = Granularity::kPerSample;
};

// The one feedback: what a student step measured.
struct StepFeedback {
  std::int64_t step = 0;
  double loss = 0;
  double mean_weight = 1;
};

// Says how hard a step may be. `plan` is a function of the step alone for open-loop schedules; adaptive ones also use
// what `observe` told them, and save it.
class Scheduler {
 public:
  virtual ~Scheduler() = default;
  virtual StagePlan plan(std::int64_t step) const = 0;
  virtual void observe(const StepFeedback&) {}
  virtual void save(StateWriter) const {}
  virtual void load(const StateReader&) {}
};

// `epoch_steps` is the unit of AdversarialRamp::per_epoch.
std::unique_ptr<Scheduler> make_scheduler(const SchedulerOptions& options, std::int64_t total_steps,
                                          std::int64_t epoch_steps);

}  // namespace drystill::curriculum
