#pragma once

#include <string>
#include <vector>

#include "kernels/options.h"

namespace drystill::testing {

// Every kind x support x remainder (one remainder for the full support), named in the words of the configuration.
struct TokenCase {
  std::string name;
  kernels::TokenDivergenceOptions options;
};

inline std::vector<TokenCase> token_cases(kernels::TokenDivergenceOptions base) {
  std::vector<TokenCase> cases;
  for (int kind = 0; kind < 5; ++kind) {
    for (int support = 0; support < 4; ++support) {
      for (int remainder = 0; remainder < 3; ++remainder) {
        base.kind = static_cast<kernels::TokenDivergenceKind>(kind);
        base.support = static_cast<kernels::TokenSupport>(support);
        base.remainder = static_cast<kernels::TokenRemainder>(remainder);
        if (base.support == kernels::TokenSupport::kFull && base.remainder != kernels::TokenRemainder::kTail) continue;
        cases.push_back({std::string(enum_name(base.kind)) + "." + std::string(enum_name(base.support)) + "." +
                             std::string(enum_name(base.remainder)),
                         base});
      }
    }
  }
  return cases;
}

}  // namespace drystill::testing
