#include "tests/support/gradient_check.h"

#include <cmath>
#include <sstream>

namespace drystill::testing {

std::string gradient_mismatch(const std::function<torch::Tensor(const std::vector<torch::Tensor>&)>& function,
                              std::vector<torch::Tensor> inputs, double step, double rtol, double atol) {
  for (auto& input : inputs) input.mutable_grad().reset();
  function(inputs).backward();

  const auto evaluate = [&] {
    torch::NoGradGuard no_grad;
    return function(inputs).item<double>();
  };
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (!inputs[i].requires_grad()) continue;
    const auto analytic = inputs[i].grad().defined() ? inputs[i].grad().contiguous().view(-1)
                                                     : torch::zeros({inputs[i].numel()}, torch::kFloat64);
    auto entries = inputs[i].detach().view(-1);  // shares memory with the input
    for (std::int64_t k = 0; k < entries.numel(); ++k) {
      const double original = entries[k].item<double>();
      entries[k] = original + step;
      const double above = evaluate();
      entries[k] = original - step;
      const double below = evaluate();
      entries[k] = original;
      const double numeric = (above - below) / (2 * step);
      const double difference = std::abs(analytic[k].item<double>() - numeric);
      if (!(difference <= atol + rtol * std::abs(numeric))) {
        std::ostringstream message;
        message << "input " << i << ", entry " << k << ": analytic " << analytic[k].item<double>() << ", numeric "
                << numeric;
        return message.str();
      }
    }
  }
  return "";
}

}  // namespace drystill::testing
