#include "generator/rollouts/random_numbers.h"

#include <ATen/ops/rand.h>
#include <ATen/ops/randint.h>

#include <limits>

namespace drystill::generator {

std::int64_t random_integer(at::Generator random, std::int64_t low, std::int64_t high) {
  return at::randint(low, high + 1, {1}, std::move(random), at::TensorOptions(at::kLong)).item<std::int64_t>();
}

std::int64_t random_seed(at::Generator random) {
  return random_integer(std::move(random), 0, std::numeric_limits<std::int64_t>::max() - 1);
}

double random_unit(at::Generator random) {
  return at::rand({1}, std::move(random), at::TensorOptions(at::kDouble)).item<double>();
}

}  // namespace drystill::generator
