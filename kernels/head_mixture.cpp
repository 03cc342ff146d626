#include <ATen/ops/cat.h>
#include <c10/util/StringUtil.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/error.h"
#include "kernels/token_divergence_parts.h"

namespace drystill::kernels {

void check_head(const HeadInput& head, const char* whose, const char* where) {
  const auto describe = [](const torch::Tensor& t) {
    return t.defined() ? c10::str(t.scalar_type(), " ", t.sizes(), " on ", t.device()) : std::string("none");
  };
  const auto& [hidden, weight] = head;
  const bool fits = hidden.defined() && weight.defined() && hidden.dim() == 2 && weight.dim() == 2 &&
                    hidden.is_floating_point() && weight.is_floating_point() && hidden.size(1) == weight.size(1) &&
                    weight.numel() > 0 && hidden.device() == weight.device();
  if (!fits) {
    throw InputError(c10::str("[", where, "] expected floating ", whose,
                              " hidden states [M, H] and head [V, H] on one device, got ", describe(hidden), " and ",
                              describe(weight)));
  }
}

void check_mixture(const HeadMixture& mixture, const char* where) {
  const auto& [heads, shares] = mixture;
  const bool shares_fit = heads.size() == shares.size() && !heads.empty() &&
                          std::ranges::all_of(shares, [](double s) { return s > 0 && std::isfinite(s); });
  if (!shares_fit) {
    throw InputError(c10::str("[", where, "] expected a share above 0 for each of one or more heads, got ",
                              heads.size(), " heads and ", shares.size(), " shares"));
  }
  for (const HeadInput& head : heads) {
    check_head(head, "teacher", where);
    const HeadInput& first = heads.front();
    if (head.hidden.size(0) != first.hidden.size(0) || head.weight.size(0) != first.weight.size(0)) {
      throw InputError(c10::str("[", where, "] expected teachers of as many tokens and words, got heads for ",
                                first.hidden.size(0), " x ", first.weight.size(0), " and ", head.hidden.size(0), " x ",
                                head.weight.size(0)));
    }
  }
}

HeadInput mean_logits_head(const HeadMixture& mixture) {
  check_mixture(mixture, "kernels.mean_logits_head");
  const auto& [heads, shares] = mixture;
  if (heads.size() == 1) return heads.front();
  const double total = std::accumulate(shares.begin(), shares.end(), 0.0);
  std::vector<torch::Tensor> hidden, weights;
  for (std::size_t i = 0; i < heads.size(); ++i) {
    hidden.push_back(heads[i].hidden * (shares[i] / total));
    weights.push_back(heads[i].weight);
  }
  return {at::cat(hidden, 1), at::cat(weights, 1)};
}

}  // namespace drystill::kernels
