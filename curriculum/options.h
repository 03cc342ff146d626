#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/fields.h"

namespace drystill::curriculum {

// Self-paced regularisers (CuDFKD, arXiv 2208.13648): how a loss below or above the threshold becomes a weight.
enum class Pacing { kNone, kHard, kSoft, kLog };
constexpr auto enum_names(Pacing) {
  return std::to_array<std::string_view>({"none", "hard", "soft", "log"});
}

// Whether every sample has its own weight (the paper) or the batch one weight from its mean loss (the released code).
enum class Granularity { kPerSample, kPerBatch };
constexpr auto enum_names(Granularity) {
  return std::to_array<std::string_view>({"per_sample", "per_batch"});
}

// The adversarial weight over a run: `initial`, then rising by `per_epoch` after every epoch inside (begin, end) shares
// of the run, up to `cap`.
struct AdversarialRamp {
  double initial = 0;
  double per_epoch = 0;
  double begin = 0.25;
  double end = 0.75;
  double cap = 1e9;

  template <class Field>
  void visit(Field&& field) {
    field("initial", initial, "adversarial weight at the start", at_least(0));
    field("per_epoch", per_epoch, "added after every epoch between begin and end", at_least(0));
    field("begin", begin, "share of the run after which the weight rises", between(0, 1));
    field("end", end, "share of the run after which it stays", between(0, 1));
    field("cap", cap, "the weight never exceeds this", at_least(0));
  }
  std::vector<Problem> problems() const {
    if (begin > end) return {{"begin", "must not be above 'end'"}};
    return {};
  }
  bool operator==(const AdversarialRamp&) const = default;
};

// Every input counts the same and the adversarial weight stays constant.
struct ConstantOptions {
  static constexpr std::string_view kKey = "method";
  static constexpr std::string_view kName = "constant";
  double adversarial_weight = 1;

  template <class Field>
  void visit(Field&& field) {
    field("adversarial_weight", adversarial_weight, "adversarial weight of the whole run", at_least(0));
  }
  bool operator==(const ConstantOptions&) const = default;
};

// CuDFKD's two ramps: sample weights that admit harder inputs as the threshold rises, and the generator's difficulty.
struct SelfPacedOptions {
  static constexpr std::string_view kKey = "method";
  static constexpr std::string_view kName = "self_paced";
  Pacing pacing = Pacing::kLog;
  Granularity granularity = Granularity::kPerSample;
  double threshold = 2;
  double threshold_per_step = 1e-4;
  AdversarialRamp adversarial;

  template <class Field>
  void visit(Field&& field) {
    field("pacing", pacing, "weight of a loss: none, hard, soft, log");
    field("granularity", granularity, "per_sample (the paper) or per_batch (the released code)");
    field("threshold", threshold, "lambda at step 0: losses well below it count fully", positive());
    field("threshold_per_step", threshold_per_step, "alpha: added to lambda every student step", at_least(0));
    field("adversarial", adversarial, "ramp of the adversarial weight");
  }
  bool operator==(const SelfPacedOptions&) const = default;
};

using SchedulerOptions = std::variant<ConstantOptions, SelfPacedOptions>;

// A number that goes straight from one value to another between two shares of the run.
struct Ramp {
  double from = 1;
  double to = 1;
  double begin = 0;
  double end = 1;

  template <class Field>
  void visit(Field&& field) {
    field("from", from, "value up to `begin`", at_least(0));
    field("to", to, "value after `end`", at_least(0));
    field("begin", begin, "share of the run at which the change begins", between(0, 1));
    field("end", end, "share of the run at which it is complete", between(0, 1));
  }
  std::vector<Problem> problems() const {
    if (begin > end) return {{"begin", "must not be above 'end'"}};
    return {};
  }
  // The value at a share of the run.
  double at(double progress) const {
    if (progress >= end) return to;
    if (progress <= begin) return from;
    return from + (to - from) * (progress - begin) / (end - begin);
  }
  bool operator==(const Ramp&) const = default;
};

// From easy to hard where inputs are token sequences: of the candidates, those whose divergence lies between two
// quantiles (the language form of the adversarial ramp), how long they are, how freely they are sampled.
struct RolloutRampOptions {
  Ramp window_low{.from = 0, .to = 0};
  Ramp window_high{.from = 1, .to = 1};
  Ramp length;
  Ramp temperature;

  template <class Field>
  void visit(Field&& field) {
    field("window_low", window_low, "quantile of the candidates' divergence from which they are kept");
    field("window_high", window_high, "quantile of the candidates' divergence up to which they are kept");
    field("length", length, "factor of the longest completion");
    field("temperature", temperature, "factor of the sampling temperature");
  }
  std::vector<Problem> problems() const {
    if (window_low.from >= window_high.from) return {{"window_low", "starts at or above 'window_high'"}};
    if (window_low.to >= window_high.to) return {{"window_low", "ends at or above 'window_high'"}};
    // Both are straight between these.
    for (const double progress : {window_low.begin, window_low.end, window_high.begin, window_high.end}) {
      if (window_low.at(progress) >= window_high.at(progress)) {
        return {{"window_low", "reaches 'window_high' on the way"}};
      }
    }
    if (window_high.from > 1 || window_high.to > 1) return {{"window_high", "is a quantile: at most 1"}};
    return {};
  }
  bool operator==(const RolloutRampOptions&) const = default;
};

// Which kept samples come back: all alike, or in proportion to the curriculum's weight of their last loss.
enum class ReplayDraw { kUniform, kCurriculum };
constexpr auto enum_names(ReplayDraw) {
  return std::to_array<std::string_view>({"uniform", "curriculum"});
}

struct ReplayOptions {
  std::int64_t capacity = 0;
  double fraction = 0.5;
  ReplayDraw draw = ReplayDraw::kUniform;
  std::int64_t store_every = 1;

  template <class Field>
  void visit(Field&& field) {
    field("capacity", capacity, "samples kept; 0 turns the bank off", at_least(0));
    field("fraction", fraction, "share of a student batch that comes from the bank once it holds enough",
          between(0, 1));
    field("draw", draw, "uniform, or curriculum: by the curriculum's weight of each sample's last loss");
    field("store_every", store_every, "keep the fresh samples of every n-th student step", at_least(1));
  }
  bool operator==(const ReplayOptions&) const = default;
};

// Whether the curriculum tells samples apart: else every weight is the same.
inline bool weighs_samples(const SchedulerOptions& scheduler) {
  const auto* self_paced = std::get_if<SelfPacedOptions>(&scheduler);
  return self_paced != nullptr && self_paced->pacing != Pacing::kNone;
}

// Rules over a bank, the batch that it is to fill up and the weights of that batch's samples. They are of the options
// around the bank, whose field is `replay`.
inline std::vector<Problem> replay_problems(const ReplayOptions& replay, std::int64_t batch, bool weights_differ) {
  if (replay.capacity == 0) return {};
  std::vector<Problem> found;
  if (replay.capacity < batch) {
    found.push_back({"replay", "never brings anything back with a 'capacity' of " + std::to_string(replay.capacity) +
                                   ", less than a batch: set it to 0, or to at least " + std::to_string(batch)});
  }
  if (replay.fraction == 0) {
    found.push_back({"replay", "never brings anything back with a 'fraction' of 0: raise it, or set 'capacity' to 0"});
  }
  if (replay.draw == ReplayDraw::kCurriculum && !weights_differ) {
    found.push_back(
        {"replay",
         "with 'draw: curriculum' needs weights that differ by sample: 'curriculum' with method self_paced, a "
         "pacing and, for classifiers, granularity per_sample; or set 'draw: uniform'"});
  }
  return found;
}

}  // namespace drystill::curriculum
