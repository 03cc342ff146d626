#include "language/models/layer_search.h"

#include <ATen/ops/log_softmax.h>

#include <algorithm>
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

// Some of the texts, before the first layer and behind the last of the whole model: [n, T, H].
struct TextStates {
  torch::Tensor first, last;
};

// Only what is compared: the states between the layers go with the texts they are of.
std::vector<TextStates> states_of(const CausalLm& model, const torch::Tensor& ids, std::int64_t most_logits) {
  const std::int64_t texts = ids.size(0), positions = ids.size(1) / kStride + 1;
  const std::int64_t together = std::max<std::int64_t>(most_logits / (positions * model.options().vocab_size), 1);
  std::vector<TextStates> parts;
  for (std::int64_t begin = 0; begin < texts; begin += together) {
    const torch::Tensor some = ids.narrow(0, begin, std::min(together, texts - begin));
    std::vector<torch::Tensor> states;
    model.hidden({.ids = some, .mask = {}, .positions = {}}, {.layer_states = &states});
    parts.push_back({states.front(), states.back()});
  }
  return parts;
}

// What each of `layers` is missed, in turn: KL(whole model || these layers without it), the mean over all texts.
std::vector<double> divergences(const CausalLm& model, const std::vector<TextStates>& parts, std::int64_t texts,
                                const std::vector<std::int64_t>& layers) {
  const std::span<const std::int64_t> all(layers);
  std::vector<double> means(all.size(), 0);
  for (const TextStates& part : parts) {
    const Comparison compare(model, part.last);
    const double share = static_cast<double>(part.last.size(0)) / static_cast<double>(texts);
    torch::Tensor state = part.first;
    for (std::size_t place = 0; place < all.size(); ++place) {
      if (const int signal = stop_requested()) throw Interrupted(signal);
      means[place] += share * compare(model.through_layers(state, all.subspan(place + 1)));
      state = model.through_layers(state, all.subspan(place, 1));
    }
  }
  return means;
}

}  // namespace

LayerSearch search_layers(const CausalLm& model, const torch::Tensor& ids, std::int64_t keep,
                          const std::function<void(const DroppedLayer&)>& report, std::int64_t most_logits) {
  const std::int64_t count = model.options().layers;
  if (keep < 1 || keep > count) {
    throw ConfigError("[language.search_layers] " + std::to_string(keep) + " layers to keep, expected 1 to " +
                      std::to_string(count));
  }
  const torch::NoGradGuard no_grad;
  LayerSearch found;
  found.kept.resize(static_cast<std::size_t>(count));
  std::iota(found.kept.begin(), found.kept.end(), 0);

  const std::vector<TextStates> parts = states_of(model, ids, most_logits);
  while (std::ssize(found.kept) > keep) {
    const std::vector<double> missed = divergences(model, parts, ids.size(0), found.kept);
    const auto place = std::ranges::min_element(missed) - missed.begin();
    found.dropped.push_back({found.kept[static_cast<std::size_t>(place)], missed[static_cast<std::size_t>(place)]});
    found.kept.erase(found.kept.begin() + place);
    if (report) report(found.dropped.back());
  }
  return found;
}

}  // namespace drystill::language
