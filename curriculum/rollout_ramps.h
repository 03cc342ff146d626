#pragma once

#include "curriculum/options.h"

namespace drystill::curriculum {

// What the ramps say at one moment of a run.
struct RolloutPlan {
  double window_low = 0;  // quantiles of the candidates' divergence between which they are kept
  double window_high = 1;
  double length = 1;       // factor of the longest completion
  double temperature = 1;  // factor of the sampling temperature
};

// `progress` in [0, 1]: StagePlan::progress.
RolloutPlan plan_rollouts(const RolloutRampOptions& options, double progress);

// Candidates whose rank in `divergences` [N] falls into the plan's window, easiest first: at least one for N > 0, and
// exactly round(N (high - low)) otherwise. Ties keep their order. NaN counts as the hardest.
std::vector<std::int64_t> select_window(const std::vector<double>& divergences, const RolloutPlan& plan);

}  // namespace drystill::curriculum
