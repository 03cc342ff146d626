#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/fields.h"

// What every run has, whatever it trains.

namespace drystill::distiller {

enum class ScheduleKind { kConstant, kLinear, kCosine, kStep, kOneCycle };
constexpr auto enum_names(ScheduleKind) {
  return std::to_array<std::string_view>({"constant", "linear", "cosine", "step", "one_cycle"});
}

// Learning rate over a run, as a factor of the optimizer's peak (distiller/learning_rate.h).
struct ScheduleOptions {
  ScheduleKind kind = ScheduleKind::kCosine;
  double warmup = 0;
  double final_factor = 0;
  std::vector<double> milestones = {0.5, 0.75};
  double decay = 0.1;

  template <class Field>
  void visit(Field&& field) {
    field("kind", kind, "constant, linear (down), cosine, step, one_cycle (linear up, then cosine down)");
    field("warmup", warmup, "share of the run with linear warm-up (one_cycle: the rising part)", between(0, 1));
    field("final_factor", final_factor, "linear, cosine and one_cycle end at this share of the peak", between(0, 1));
    field("milestones", milestones, "step: shares of the run after which the rate is multiplied by decay",
          between(0, 1));
    field("decay", decay, "step: the factor", between(0, 1));
  }
  bool operator==(const ScheduleOptions&) const = default;
};

struct PrecisionOptions {
  bool bfloat16 = false;
  bool channels_last = true;

  template <class Field>
  void visit(Field&& field) {
    field("bfloat16", bfloat16,
          "compute in bfloat16 (losses and parameters stay fp32); a CPU without AVX-512 computes in fp32");
    field("channels_last", channels_last,
          "keep images and weights in NHWC order: faster on most CPUs and on tensor cores");
  }
  bool operator==(const PrecisionOptions&) const = default;
};

// How long a run is and what it writes on the way. One epoch is `epoch_steps` student steps.
struct LoopOptions {
  std::int64_t epochs = 10;
  std::int64_t epoch_steps = 400;
  std::int64_t evaluate_every = 1;
  bool evaluate_start = false;
  std::int64_t checkpoint_every = 1;
  std::int64_t keep_checkpoints = 2;
  std::int64_t sample_every = 5;
  std::int64_t log_every = 50;

  std::int64_t total_steps() const { return epochs * epoch_steps; }

  static constexpr double kMost = 1e9;  // the product of two fits into 64 bits

  template <class Field>
  void visit(Field&& field) {
    field("epochs", epochs, "length of the run", between(1, kMost));
    field("epoch_steps", epoch_steps, "student steps an epoch", between(1, kMost));
    field("evaluate_every", evaluate_every, "epochs between evaluations on real held-out data; 0: only at the end",
          between(0, kMost));
    field("evaluate_start", evaluate_start, "evaluate before the first step as well");
    field("checkpoint_every", checkpoint_every, "epochs between checkpoints; 0: only at the end", between(0, kMost));
    field("keep_checkpoints", keep_checkpoints, "newest checkpoints kept", at_least(1));
    field("sample_every", sample_every, "epochs between image grids; 0: only at the end", between(0, kMost));
    field("log_every", log_every, "steps between lines of training metrics", at_least(1));
  }
  bool operator==(const LoopOptions&) const = default;
};

// What every run has.
struct RunOptions {
  std::string name;
  std::int64_t seed = 0;
  std::string device = "auto";
  std::int64_t threads = 0;
  PrecisionOptions precision;
  LoopOptions loop;

  template <class Field>
  void visit(Field&& field) {
    field("name", name, "name of the run folder; empty: the configuration file's name");
    field("seed", seed, "seed of every random stream", at_least(0));
    field("device", device, "auto, cpu, cuda or cuda:<number>");
    field("threads", threads, "CPU threads; 0: all", between(0, 4096));
    field("precision", precision, "number format and memory order");
    field("loop", loop, "length and rhythm of the run");
  }
  bool operator==(const RunOptions&) const = default;
};

}  // namespace drystill::distiller
