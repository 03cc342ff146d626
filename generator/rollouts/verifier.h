#pragma once

#include <memory>
#include <string>

#include "generator/verifier_options.h"
#include "language/views/item.h"

namespace drystill::generator {

struct Verdict {
  bool accepted = false;
  std::string reason;  // a few words, the same for every completion of that fate: "match", "time limit"
};

// Decides whether a completion is right. The kinds: generator/verifier_options.h.
class Verifier {
 public:
  virtual ~Verifier() = default;
  virtual Verdict check(const std::string& completion, const language::Item& item) = 0;
};

// Null for NoVerifier. Throws ConfigError for a pattern that cannot be read, letters that are none, and a command that
// is empty or not allowed. `check` throws RunError where a command cannot be started, or has passed its time limit 16
// times in a row: it is the command that hangs then, not the completions. It throws Interrupted where a signal asks to
// stop while a command runs.
std::unique_ptr<Verifier> make_verifier(const VerifierOptions& options);

}  // namespace drystill::generator
