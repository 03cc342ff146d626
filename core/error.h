#pragma once

#include <stdexcept>
#include <string>

namespace drystill {

// What the process returns. `main` maps an exception to one of these; nothing else exits.
enum class ExitCode : int {
  kOk = 0,
  kFailed = 1,       // the run failed
  kUsage = 2,        // command line or configuration
  kInput = 3,        // an input is missing or does not fit
  kDiverged = 4,     // NaN or Inf in training
  kOutOfMemory = 5,  // host or device memory ran out
};

// Every error a user can cause. The message is one line: what, where, expected and got, what to do.
class Error : public std::runtime_error {
 public:
  Error(ExitCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  ExitCode code() const { return code_; }

 private:
  ExitCode code_;
};

// A wrong command line or configuration: exit code 2.
struct ConfigError : Error {
  explicit ConfigError(const std::string& message) : Error(ExitCode::kUsage, message) {}
};

// A file, tensor or device that is missing, damaged or does not fit: exit code 3.
struct InputError : Error {
  explicit InputError(const std::string& message) : Error(ExitCode::kInput, message) {}
};

// Training produced NaN or Inf: exit code 4.
struct DivergedError : Error {
  explicit DivergedError(const std::string& message) : Error(ExitCode::kDiverged, message) {}
};

// The run could not go on for a reason outside the inputs (disk full, folder not writable): exit code 1.
struct RunError : Error {
  explicit RunError(const std::string& message) : Error(ExitCode::kFailed, message) {}
};

// A signal asked the work to stop; a run's state was saved before this was thrown. Exit code 128 + signal. `what_next`
// ends the message.
class Interrupted : public std::runtime_error {
 public:
  explicit Interrupted(int signal, const std::string& what_next = "");
  int signal() const { return signal_; }

 private:
  int signal_;
};

// The nearest of `candidates` to `name` by edit distance, or "" where none is near: for "did you mean" hints.
template <class Range>
std::string nearest_name(const std::string& name, const Range& candidates);

// Levenshtein distance between two short strings.
std::size_t edit_distance(const std::string& a, const std::string& b);

template <class Range>
std::string nearest_name(const std::string& name, const Range& candidates) {
  std::string best;
  std::size_t best_distance = name.size() / 3 + 2;  // farther than this is a different word, not a slip
  for (const auto& candidate : candidates) {
    const std::size_t distance = edit_distance(name, std::string(candidate));
    if (distance < best_distance) {
      best_distance = distance;
      best = std::string(candidate);
    }
  }
  return best;
}

}  // namespace drystill
