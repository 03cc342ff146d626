#include "distiller/loop.h"

#include <fmt/format.h>

#include <cmath>
#include <type_traits>

#include "core/allocator.h"
#include "core/error.h"
#include "core/stop_request.h"
#include "io/checkpoint.h"

namespace drystill::distiller {
namespace {

// Mean loss since the last line of training metrics. Saved, so that a resumed run writes the same lines.
struct Window {
  double loss = 0;
  double weight = 0;
  std::int64_t steps = 0;

  void save(StateWriter writer) const {
    writer.real("loss", loss);
    writer.real("weight", weight);
    writer.integer("steps", steps);
  }
  void load(const StateReader& reader) {
    loss = reader.real("loss");
    weight = reader.real("weight");
    steps = reader.integer("steps");
  }
};

// A threshold that every loss passes, or a mask on every token, gives all samples the weight 0: the run goes on and
// learns nothing.
void warn_of_no_weight(journal::Journal& journal, std::int64_t step, std::int64_t steps,
                       const curriculum::StagePlan& plan) {
  const std::string why = plan.pacing == curriculum::Pacing::kNone
                              ? "every token of them is masked; lower loss.skip_first, or look at the completions"
                              : fmt::format(
                                    "every loss is above the threshold, now {:.4g}; raise curriculum.threshold or "
                                    "curriculum.threshold_per_step",
                                    plan.easy_threshold);
  journal.warning(fmt::format(
      "no sample of the last {} steps (to step {}) had a weight above 0, so nothing was learnt from them: {}", steps,
      step, why));
}

// A step may spoil the weights although its own loss, measured before, was fine. "" where all is finite.
std::string first_not_finite(const State& state) {
  for (const auto& [name, tensor] : state.tensors) {
    if (tensor.is_floating_point() && !tensor.isfinite().all().item<bool>()) return name;
  }
  return "";
}

class Loop {
 public:
  Loop(const LoopOptions& options, const LoopParts& parts)
      : options_(options), parts_(parts), total_(options.total_steps()) {}

  RunResult run() {
    begin();
    parts_.progress.start(total_, step_);
    if (unfinished_) finish_step();
    while (step_ < total_) {
      take_step();
      finish_step();
    }
    parts_.progress.finish();
    result_.steps = step_;
    if (result_.last_evaluation.empty() && parts_.evaluate) result_.last_evaluation = parts_.evaluate();
    return result_;
  }

 private:
  // From the newest checkpoint, or from the start.
  void begin() {
    const auto passed_over = [&](const std::string& why) {
      parts_.journal.warning("a checkpoint cannot be used: " + why);
    };
    if (const auto newest = io::latest_checkpoint(parts_.checkpoints, passed_over)) {
      restore(io::load_checkpoint(*newest).state);
      parts_.journal.truncate_after(step_);
      parts_.journal.info("resumed at step " + std::to_string(step_));
    } else {
      parts_.journal.truncate_after(-1);  // a life that was killed before its first checkpoint left its lines behind
      if (options_.evaluate_start && parts_.evaluate) parts_.journal.record(0, "evaluation", parts_.evaluate());
    }
    saved_step_ = step_;
  }

  void take_step() {
    const curriculum::StagePlan plan = parts_.scheduler.plan(step_);
    const Batch batch = or_save([&] { return next_batch(plan); });
    const StepReport report = parts_.learner.step(batch, plan);
    const double loss = report.loss.item<double>();
    if (!std::isfinite(loss)) {
      throw diverged("the loss at step " + std::to_string(step_) + " is " + std::to_string(loss));
    }
    const double weight = report.sample_weights.mean().item<double>();
    parts_.source.observe(batch, report);
    parts_.scheduler.observe({step_, loss, weight});
    window_.loss += loss;
    window_.weight += weight;
    ++window_.steps;
    ++step_;
    if (step_ % options_.log_every == 0 || step_ == total_) report_window(plan);
  }

  Batch next_batch(const curriculum::StagePlan& plan) {
    try {
      return parts_.source.next(plan);
    } catch (const DivergedError& error) {
      throw diverged(error.what() + (" at step " + std::to_string(step_)), "learning rate");
    }
  }

  void report_window(const curriculum::StagePlan& plan) {
    const double mean_loss = window_.loss / static_cast<double>(window_.steps);
    parts_.journal.record(step_, "train",
                          {{"loss", mean_loss},
                           {"sample_weight", window_.weight / static_cast<double>(window_.steps)},
                           {"learning_rate", parts_.learner.learning_rate()},
                           {"adversarial_weight", plan.adversarial_weight},
                           {"easy_threshold", plan.easy_threshold}});
    if (auto source = parts_.source.take_metrics(); !source.empty()) {
      parts_.journal.record(step_, "generator", source);
    }
    parts_.progress.update(step_, {{"loss", mean_loss}});
    if (window_.weight == 0 && !warned_) {
      warn_of_no_weight(parts_.journal, step_, window_.steps, plan);
      warned_ = true;
    }
    window_ = {};
  }

  // What is due behind a step: evaluation, samples, a checkpoint, the end that a signal asked for.
  void finish_step() {
    const bool last = step_ == total_;
    if (parts_.evaluate && (last || due(options_.evaluate_every))) {
      unfinished_ = true;
      result_.last_evaluation = or_save(parts_.evaluate);
      unfinished_ = false;
      parts_.journal.record(step_, "evaluation", result_.last_evaluation);
      parts_.progress.update(step_, ProgressFields(result_.last_evaluation.begin(), result_.last_evaluation.end()));
    }
    if (parts_.draw_samples && (last || due(options_.sample_every))) parts_.draw_samples(step_);

    const int signal = stop_requested();
    if (last || signal != 0 || due(options_.checkpoint_every)) save();
    if (due(1)) release_freed_blocks();
    if (signal != 0 && !last) throw Interrupted(signal);
  }

  bool due(std::int64_t every_epochs) const {
    return every_epochs > 0 && step_ % (every_epochs * options_.epoch_steps) == 0;
  }

  // What a signal ends half-way can be begun again from here.
  template <class Work>
  std::invoke_result_t<const Work&> or_save(const Work& work) {
    try {
      return work();
    } catch (const Interrupted&) {
      save();
      throw;
    }
  }

  void save() {
    State state;
    StateWriter writer(state);
    writer.integer("step", step_);
    writer.integer("unfinished", unfinished_ ? 1 : 0);
    window_.save(writer.part("window"));
    parts_.source.save(writer.part("source"));
    parts_.learner.save(writer.part("learner"));
    parts_.scheduler.save(writer.part("scheduler"));
    parts_.seeds.save(writer.part("seeds"));
    if (const std::string name = first_not_finite(state); !name.empty()) {
      throw diverged("'" + name + "' holds NaN or infinity after " + std::to_string(step_) + " steps",
                     name.starts_with("source.synthesizer.") ? kGeneratorsRate : kStudentsRate);
    }
    parts_.journal.sync();  // the lines up to this step must be there wherever the checkpoint is
    io::save_checkpoint(parts_.checkpoints, step_, state);
    io::prune_checkpoints(parts_.checkpoints, options_.keep_checkpoints);
    saved_step_ = step_;
  }

  void restore(const State& state) {
    const StateReader reader(state);
    step_ = reader.integer("step");
    unfinished_ = reader.integer("unfinished") != 0;
    window_.load(reader.part("window"));
    parts_.source.load(reader.part("source"));
    parts_.learner.load(reader.part("learner"));
    parts_.scheduler.load(reader.part("scheduler"));
    parts_.seeds.load(reader.part("seeds"));
  }

  static constexpr const char* kStudentsRate = "optimizer.learning_rate";
  static constexpr const char* kGeneratorsRate = "generator.optimizer.learning_rate";

  DivergedError diverged(const std::string& what, const std::string& rate = kStudentsRate) const {
    const std::string kept = saved_step_ > 0 ? "the checkpoint of step " + std::to_string(saved_step_) + " is kept"
                                             : "no checkpoint was written yet";
    return DivergedError("training diverged: " + what + "; " + kept + "; try a lower " + rate);
  }

  const LoopOptions& options_;
  const LoopParts& parts_;
  const std::int64_t total_;
  std::int64_t step_ = 0;
  std::int64_t saved_step_ = 0;
  bool unfinished_ = false;  // the step is taken, but a signal came while it was being evaluated
  Window window_;
  bool warned_ = false;
  RunResult result_;
};

}  // namespace

RunResult run_loop(const LoopOptions& options, const LoopParts& parts) {
  return Loop(options, parts).run();
}

}  // namespace drystill::distiller
