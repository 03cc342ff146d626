#pragma once

#include <ATen/core/Generator.h>

#include <cstdint>

namespace drystill::generator {

// Both ends included. `random` lives on the CPU.
std::int64_t random_integer(at::Generator random, std::int64_t low, std::int64_t high);
// A seed for what has its own random numbers, such as a sampler.
std::int64_t random_seed(at::Generator random);
double random_unit(at::Generator random);  // [0, 1)

}  // namespace drystill::generator
