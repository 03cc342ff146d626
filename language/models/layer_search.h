#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "language/models/causal_lm.h"

namespace drystill::language {

struct DroppedLayer {
  std::int64_t layer;
  double divergence;  // KL(whole model || what is left without it), nats a token
};

struct LayerSearch {
  std::vector<DroppedLayer> dropped;  // in the order they went
  std::vector<std::int64_t> kept;     // ascending
};

// Which `keep` layers a smaller model should have: one layer goes after the other, each time the one without which the
// predictions stay nearest to the whole model's. SLEB's algorithm 1 (arXiv 2402.09025) with that divergence in place of
// the perplexity of calibration text: then `ids` [N, T] may be text that the model wrote itself. The divergence is the
// mean over every fourth position: neighbours say nearly the same, and the output head is what costs.
//
// Memory for logits is bounded: texts are compared a few at a time, with at most `most_logits` numbers a tensor, or one
// text, and a few such tensors. It changes nothing but the rounding.
//
// `report` is told each layer that goes. Throws ConfigError unless 1 <= keep <= the model's layers, and Interrupted
// where a signal asked to stop.
LayerSearch search_layers(const CausalLm& model, const torch::Tensor& ids, std::int64_t keep,
                          const std::function<void(const DroppedLayer&)>& report = {},
                          std::int64_t most_logits = std::int64_t{1} << 25);

}  // namespace drystill::language
