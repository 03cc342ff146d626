#include "distiller/loop.h"

#include <fmt/format.h>

#include <cmath>

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

// unfinished: the step is taken, but a signal came while it was being evaluated.
State snapshot(const LoopParts& parts, const Window& window, std::int64_t step, bool unfinished) {
  State state;
  StateWriter writer(state);
  writer.integer("step", step);
  writer.integer("unfinished", unfinished ? 1 : 0);
  window.save(writer.part("window"));
  parts.source.save(writer.part("source"));
  parts.learner.save(writer.part("learner"));
  parts.scheduler.save(writer.part("scheduler"));
  parts.seeds.save(writer.part("seeds"));
  return state;
}

struct Position {
  std::int64_t step = 0;
  bool unfinished = false;
};

Position restore(const LoopParts& parts, Window& window, const State& state) {
  const StateReader reader(state);
  window.load(reader.part("window"));
  parts.source.load(reader.part("source"));
  parts.learner.load(reader.part("learner"));
  parts.scheduler.load(reader.part("scheduler"));
  parts.seeds.load(reader.part("seeds"));
  return {reader.integer("step"), reader.integer("unfinished") != 0};
}

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

DivergedError diverged(const std::string& what, std::int64_t saved_step) {
  return DivergedError("training diverged: " + what +
                       (saved_step > 0 ? "; the checkpoint of step " + std::to_string(saved_step) + " is kept"
                                       : "; no checkpoint was written yet") +
                       "; try a lower learning rate");
}

// A step may spoil the weights although its own loss, measured before, was fine. "" where all is finite.
std::string first_not_finite(const State& state) {
  for (const auto& [name, tensor] : state.tensors) {
    if (tensor.is_floating_point() && !tensor.isfinite().all().item<bool>()) return name;
  }
  return "";
}

bool due(std::int64_t step, std::int64_t every_epochs, const LoopOptions& options) {
  return every_epochs > 0 && step % (every_epochs * options.epoch_steps) == 0;
}

}  // namespace

RunResult run_loop(const LoopOptions& options, const LoopParts& parts) {
  const std::int64_t total = options.total_steps();
  Window window;
  std::int64_t step = 0;
  bool unfinished = false;
  const auto newest = io::latest_checkpoint(parts.checkpoints);
  if (newest) {
    const Position position = restore(parts, window, io::load_checkpoint(*newest).state);
    step = position.step;
    unfinished = position.unfinished;
    parts.journal.truncate_after(step);
    parts.journal.info("resumed at step " + std::to_string(step));
  } else {
    parts.journal.truncate_after(-1);  // a life that was killed before its first checkpoint left its lines behind
  }
  if (!newest && options.evaluate_start && parts.evaluate) parts.journal.record(0, "evaluation", parts.evaluate());
  std::int64_t saved_step = step;
  const auto save = [&] {
    const State state = snapshot(parts, window, step, unfinished);
    if (const std::string name = first_not_finite(state); !name.empty()) {
      throw diverged("'" + name + "' holds NaN or infinity after " + std::to_string(step) + " steps", saved_step);
    }
    io::save_checkpoint(parts.checkpoints, step, state);
    io::prune_checkpoints(parts.checkpoints, options.keep_checkpoints);
    saved_step = step;
  };

  // What a signal ends half-way can be begun again from here.
  const auto or_save = [&](const auto& work) {
    try {
      return work();
    } catch (const Interrupted&) {
      save();
      throw;
    }
  };

  RunResult result;
  const auto finish_step = [&] {
    const bool last = step == total;
    if (parts.evaluate && (last || due(step, options.evaluate_every, options))) {
      unfinished = true;
      result.last_evaluation = or_save(parts.evaluate);
      unfinished = false;
      parts.journal.record(step, "evaluation", result.last_evaluation);
      parts.progress.update(step, ProgressFields(result.last_evaluation.begin(), result.last_evaluation.end()));
    }
    if (parts.draw_samples && (last || due(step, options.sample_every, options))) parts.draw_samples(step);

    const int signal = stop_requested();
    if (last || signal != 0 || due(step, options.checkpoint_every, options)) save();
    if (signal != 0 && !last) throw Interrupted(signal);
  };

  bool warned = false;
  parts.progress.start(total, step);
  if (unfinished) finish_step();
  while (step < total) {
    const curriculum::StagePlan plan = parts.scheduler.plan(step);
    const Batch batch = or_save([&] { return parts.source.next(plan); });
    const StepReport report = parts.learner.step(batch, plan);
    const double loss = report.loss.item<double>();
    if (!std::isfinite(loss)) {
      throw diverged("the loss at step " + std::to_string(step) + " is " + std::to_string(loss), saved_step);
    }
    const double weight = report.sample_weights.mean().item<double>();
    parts.source.observe(batch, report);
    parts.scheduler.observe({step, loss, weight});
    window.loss += loss;
    window.weight += weight;
    ++window.steps;
    ++step;

    if (step % options.log_every == 0 || step == total) {
      const double mean_loss = window.loss / static_cast<double>(window.steps);
      Metrics metrics = {{"loss", mean_loss},
                         {"sample_weight", window.weight / static_cast<double>(window.steps)},
                         {"learning_rate", parts.learner.learning_rate()},
                         {"adversarial_weight", plan.adversarial_weight},
                         {"easy_threshold", plan.easy_threshold}};
      parts.journal.record(step, "train", metrics);
      if (auto source = parts.source.take_metrics(); !source.empty()) parts.journal.record(step, "generator", source);
      parts.progress.update(step, {{"loss", mean_loss}});
      if (window.weight == 0 && !warned) {
        warn_of_no_weight(parts.journal, step, window.steps, plan);
        warned = true;
      }
      window = {};
    }
    finish_step();
  }
  parts.progress.finish();
  result.steps = step;
  if (result.last_evaluation.empty() && parts.evaluate) result.last_evaluation = parts.evaluate();
  return result;
}

}  // namespace drystill::distiller
