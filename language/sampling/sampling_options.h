#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/fields.h"

namespace drystill::language {

// How a language model is sampled. The order is that of `transformers`: temperature, then top_k, then top_p, then
// min_p, each on the distribution that the one before left, renormalised.
struct SamplingOptions {
  std::int64_t max_new_tokens = 256;
  std::int64_t min_new_tokens = 0;
  double temperature = 1;
  std::int64_t top_k = 0;
  double top_p = 1;
  double min_p = 0;
  std::int64_t loop_repeats = 0;
  std::int64_t loop_period = 32;
  std::vector<std::int64_t> stop_ids = {};
  std::vector<std::string> stop_strings = {};
  std::int64_t seed = 0;

  template <class Field>
  void visit(Field&& field) {
    field("max_new_tokens", max_new_tokens, "tokens sampled at most, per sequence", at_least(1));
    field("min_new_tokens", min_new_tokens, "stop ids cannot be sampled before this many tokens", at_least(0));
    field("temperature", temperature, "divides the logits; 0 takes the most likely token", at_least(0));
    field("top_k", top_k, "only the k most likely tokens; 0: all", at_least(0));
    field("top_p", top_p, "only the most likely tokens that together have this probability; 1: all",
          {.minimum = 0, .maximum = 1, .exclusive_minimum = true, .choices = {}});
    field("min_p", min_p, "only tokens at least this many times as likely as the most likely one; 0: all",
          between(0, 1));
    field("loop_repeats", loop_repeats, "stop when the text ends in this many copies of one n-gram; 0: never",
          at_least(0));
    field("loop_period", loop_period, "longest n-gram looked for by loop_repeats, in tokens", between(1, 4096));
    field("stop_ids", stop_ids, "token ids that end a sequence, besides those of the model");
    field("stop_strings", stop_strings, "texts that end a sequence; a verifier sees what stands before");
    field("seed", seed, "of the random numbers; sequence i draws the same ones whatever is sampled beside it",
          at_least(0));
  }

  std::vector<Problem> problems() const {
    std::vector<Problem> found;
    if (min_new_tokens > max_new_tokens) found.push_back({"min_new_tokens", "must not exceed 'max_new_tokens'"});
    if (loop_repeats == 1) found.push_back({"loop_repeats", "must be 0 or at least 2: one copy is no loop"});
    for (const std::string& text : stop_strings) {
      if (text.empty()) found.push_back({"stop_strings", "must not hold an empty text: it would stop at once"});
    }
    return found;
  }

  bool operator==(const SamplingOptions&) const = default;
};

// Whether every token may be drawn, at any step.
inline bool cuts_nothing(const SamplingOptions& options) {
  return options.top_k == 0 && options.top_p == 1 && options.min_p == 0 && options.min_new_tokens == 0;
}

// Whether what is drawn from is the model's own distribution, as it is.
inline bool samples_the_model(const SamplingOptions& options) {
  return options.temperature == 1 && cuts_nothing(options);
}

}  // namespace drystill::language
