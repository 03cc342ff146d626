#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "core/fields.h"

namespace drystill {

// Stochastic gradient descent with momentum (Sutskever et al. 2013, PyTorch's form: no dampening).
struct SgdOptions {
  static constexpr std::string_view kKey = "method";
  static constexpr std::string_view kName = "sgd";
  double learning_rate = 0.1;
  double momentum = 0.9;
  double weight_decay = 1e-4;
  bool nesterov = false;

  template <class Field>
  void visit(Field&& field) {
    field("learning_rate", learning_rate, "peak learning rate", at_least(0));
    field("momentum", momentum, "momentum", between(0, 1));
    field("weight_decay", weight_decay, "L2 penalty added to the gradient", at_least(0));
    field("nesterov", nesterov, "Nesterov momentum");
  }
  std::vector<Problem> problems() const {
    if (nesterov && momentum == 0) return {{"nesterov", "needs a 'momentum' above 0"}};
    return {};
  }
  bool operator==(const SgdOptions&) const = default;
};

// Adam (Kingma and Ba 2015); with `decoupled`, AdamW (Loshchilov and Hutter 2019).
struct AdamOptions {
  static constexpr std::string_view kKey = "method";
  static constexpr std::string_view kName = "adam";
  double learning_rate = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double weight_decay = 0;
  bool decoupled = false;

  template <class Field>
  void visit(Field&& field) {
    field("learning_rate", learning_rate, "peak learning rate", at_least(0));
    field("beta1", beta1, "decay of the first moment", between(0, 1));
    field("beta2", beta2, "decay of the second moment", between(0, 1));
    field("epsilon", epsilon, "added to the denominator", at_least(0));
    field("weight_decay", weight_decay, "weight decay", at_least(0));
    field("decoupled", decoupled, "true: AdamW, the decay does not pass through the moments");
  }
  std::vector<Problem> problems() const {
    for (const auto& [name, decay] : {std::pair("beta1", beta1), std::pair("beta2", beta2)}) {
      if (decay == 1) return {{name, "must be below 1: at 1 the moment never takes anything in"}};
    }
    return {};
  }
  bool operator==(const AdamOptions&) const = default;
};

using OptimizerOptions = std::variant<SgdOptions, AdamOptions>;

}  // namespace drystill
