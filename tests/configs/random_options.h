#pragma once

#include <random>

#include "configs/option_type.h"

namespace drystill::configs::testing {

// Fills any option value with random content that its limits allow.
void randomise(OptionRef ref, const Limits& limits, std::mt19937_64& random);

// UTF-8 text made of what is hard to write down: quotes, `#`, `: `, `${`, line feeds, words that look like numbers.
std::string random_text(std::mt19937_64& random);

}  // namespace drystill::configs::testing
