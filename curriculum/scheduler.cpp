#include "curriculum/scheduler.h"

#include <algorithm>

namespace drystill::curriculum {
namespace {

class Constant final : public Scheduler {
 public:
  Constant(const ConstantOptions& options, std::int64_t total_steps) : options_(options), total_steps_(total_steps) {}

  StagePlan plan(std::int64_t step) const override {
    StagePlan plan;
    plan.step = step;
    plan.progress = static_cast<double>(step) / static_cast<double>(std::max<std::int64_t>(total_steps_, 1));
    plan.adversarial_weight = options_.adversarial_weight;
    return plan;
  }

 private:
  ConstantOptions options_;
  std::int64_t total_steps_;
};

class SelfPaced final : public Scheduler {
 public:
  SelfPaced(const SelfPacedOptions& options, std::int64_t total_steps, std::int64_t epoch_steps)
      : options_(options), total_steps_(total_steps), epoch_steps_(std::max<std::int64_t>(epoch_steps, 1)) {}

  StagePlan plan(std::int64_t step) const override {
    StagePlan plan;
    plan.step = step;
    plan.progress = static_cast<double>(step) / static_cast<double>(std::max<std::int64_t>(total_steps_, 1));
    plan.adversarial_weight = adversarial_weight(step);
    plan.easy_threshold = options_.threshold + options_.threshold_per_step * static_cast<double>(step);
    plan.pacing = options_.pacing;
    plan.granularity = options_.granularity;
    return plan;
  }

 private:
  // CuDFKD's rule, with its strict inequalities: after epoch e, the weight rises where int(E*begin) < e < int(E*end).
  // Counting the epochs that have passed makes it a function of the step, so nothing has to be saved.
  double adversarial_weight(std::int64_t step) const {
    const AdversarialRamp& ramp = options_.adversarial;
    const std::int64_t epochs = (total_steps_ + epoch_steps_ - 1) / epoch_steps_;
    const std::int64_t finished = step / epoch_steps_;  // epochs 0 .. finished-1 are over
    const auto first = static_cast<std::int64_t>(static_cast<double>(epochs) * ramp.begin) + 1;
    const auto last = static_cast<std::int64_t>(static_cast<double>(epochs) * ramp.end) - 1;
    const std::int64_t rises = std::max<std::int64_t>(0, std::min(finished - 1, last) - first + 1);
    return std::min(ramp.cap, ramp.initial + ramp.per_epoch * static_cast<double>(rises));
  }

  SelfPacedOptions options_;
  std::int64_t total_steps_;
  std::int64_t epoch_steps_;
};

}  // namespace

std::unique_ptr<Scheduler> make_scheduler(const SchedulerOptions& options, std::int64_t total_steps,
                                          std::int64_t epoch_steps) {
  if (const auto* constant = std::get_if<ConstantOptions>(&options)) {
    return std::make_unique<Constant>(*constant, total_steps);
  }
  return std::make_unique<SelfPaced>(std::get<SelfPacedOptions>(options), total_steps, epoch_steps);
}

}  // namespace drystill::curriculum
