#include "language/models/layer_search.h"

#include <ATen/ops/log_softmax.h>

#include <limits>
#include <numeric>
#include <span>
#include <string>

#include "core/error.h"
#include "core/stop_request.h"

namespace drystill::language {
namespace {

constexpr std::int64_t kStride = 4;  // of the positions compared

class Comparison {
 public:
  Comparison(const CausalLm& model, const torch::Tensor& whole_state)
      : model_(model), whole_(log_probs(whole_state)), probabilities_(whole_.exp()) {}

  // KL(whole || model behind `state` [N, T, H]), nats a token.
  double operator()(const torch::Tensor& state) const {
    const torch::Tensor terms = probabilities_ * (whole_ - log_probs(state));
    return terms.sum(-1).mean().item<double>();
  }

 private:
  torch::Tensor log_probs(const torch::Tensor& state) const {
    const torch::Tensor some = state.slice(1, state.size(1) > kStride ? kStride - 1 : 0, std::nullopt, kStride);
    return at::log_softmax(model_.head(model_.final_norm(some)).to(torch::kFloat32), -1);
  }

  const CausalLm& model_;
  torch::Tensor whole_, probabilities_;  // [N, positions, V]
};

// The place in `layers` of the one without which the rest diverges least.
struct Candidate {
  std::size_t place = 0;
  double divergence = std::numeric_limits<double>::infinity();
};

Candidate least_missed(const CausalLm& model, const Comparison& compare, torch::Tensor state,
                       const std::vector<std::int64_t>& layers) {
  const std::span<const std::int64_t> all(layers);
  Candidate best;
  for (std::size_t place = 0; place < all.size(); ++place) {
    if (const int signal = stop_requested()) throw Interrupted(signal);
    const double divergence = compare(model.through_layers(state, all.subspan(place + 1)));
    if (divergence < best.divergence) best = {place, divergence};
    state = model.through_layers(state, all.subspan(place, 1));
  }
  return best;
}

}  // namespace

LayerSearch search_layers(const CausalLm& model, const torch::Tensor& ids, std::int64_t keep,
                          const std::function<void(const DroppedLayer&)>& report) {
  const std::int64_t count = model.options().layers;
  if (keep < 1 || keep > count) {
    throw ConfigError("[language.search_layers] " + std::to_string(keep) + " layers to keep, expected 1 to " +
                      std::to_string(count));
  }
  const torch::NoGradGuard no_grad;
  LayerSearch found;
  found.kept.resize(static_cast<std::size_t>(count));
  std::iota(found.kept.begin(), found.kept.end(), 0);

  std::vector<torch::Tensor> states;
  model.hidden({.ids = ids, .mask = {}, .positions = {}}, {.layer_states = &states});
  const Comparison compare(model, states.back());
  while (std::ssize(found.kept) > keep) {
    const Candidate best = least_missed(model, compare, states.front(), found.kept);
    found.dropped.push_back({found.kept[best.place], best.divergence});
    found.kept.erase(found.kept.begin() + static_cast<std::ptrdiff_t>(best.place));
    if (report) report(found.dropped.back());
  }
  return found;
}

}  // namespace drystill::language
