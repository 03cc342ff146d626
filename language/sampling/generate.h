#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/progress.h"
#include "language/sampling/inference_engine.h"
#include "language/sampling/sampling_options.h"
#include "language/sampling/writable_ids.h"

namespace drystill::language {

// Why a sequence ended.
enum class FinishReason { kStopId, kStopString, kLoop, kLength };
constexpr auto enum_names(FinishReason) {
  return std::to_array<std::string_view>({"stop_id", "stop_string", "loop", "length"});
}

// What was sampled behind one prompt. A stop id is the last of `ids`; so is the token that completed a stop string or a
// loop. Both log-probabilities are those of sampler.h over the writable ids, one an id.
struct Completion {
  std::vector<std::int64_t> ids;
  std::vector<float> log_probs;
  std::vector<float> raw_log_probs;
  FinishReason reason = FinishReason::kLength;
  torch::Tensor states;  // [ids, H], what the head predicted each id from; undefined unless kept
};

// One sampled token, told as soon as it is known.
struct TokenEvent {
  std::int64_t sequence;  // index of the prompt
  std::int64_t id;
  double log_prob;
  bool last;
};

struct GenerateContext {
  std::int64_t batch = 64;          // sequences in progress at once; the text does not depend on it
  std::int64_t first_sequence = 0;  // number of the first prompt's random stream, for calls that share a larger set
  std::function<void(const TokenEvent&)> on_token = {};
  std::function<std::string(std::span<const std::int64_t>)> decode = {};  // ids -> text; needed by stop_strings
  WritableIds writable = {};                                              // no other id is sampled
  const PrefixKeyValues* prefix = nullptr;                                // stands before every prompt
  bool keep_states = false;                                               // in the completions, in the engine's dtype
  Progress* progress = nullptr;                                           // counts finished sequences
};

// Throws InputError for an empty prompt, an id outside the model's vocabulary, and a prompt behind which (and behind a
// `prefix` of so many entries) max_new_tokens do not fit.
void check_prompts(const TransformerOptions& model, std::span<const std::vector<std::int64_t>> prompts,
                   std::int64_t prefix, const SamplingOptions& options);

// Samples behind every prompt (token ids, at least one each) until a stop id (of the options or the model's own), a
// stop string, a loop, or max_new_tokens. A finished sequence leaves the batch at once and the next prompt takes its
// place; equal prompts that start together are computed once.
//
// Throws ConfigError for options outside their limits, and for stop strings without `decode`; InputError for an empty
// prompt, for an id outside the vocabulary, and where prompt and max_new_tokens pass the model's positions, before
// anything is sampled; Interrupted where a signal asked to stop.
std::vector<Completion> generate(const InferenceEngine& engine, std::span<const std::vector<std::int64_t>> prompts,
                                 const SamplingOptions& options, const GenerateContext& context = {});

// The ids that end a sequence: those of the options and the model's own.
std::vector<std::int64_t> stop_ids_of(const TransformerOptions& model, const SamplingOptions& options);

// Why `ids`, at least one, end with the newest of them; nothing where they go on. decode: as in GenerateContext.
std::optional<FinishReason> ending_of(std::span<const std::int64_t> ids, std::span<const std::int64_t> stop_ids,
                                      const SamplingOptions& options,
                                      const std::function<std::string(std::span<const std::int64_t>)>& decode);

// Whether `ids` end in `repeats` copies of one n-gram of at most `period` tokens.
bool ends_in_loop(std::span<const std::int64_t> ids, std::int64_t repeats, std::int64_t period);

}  // namespace drystill::language
