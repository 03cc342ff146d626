#pragma once

#include <torch/types.h>

#include <algorithm>
#include <cstdint>
#include <vector>

namespace drystill::distiller {

// One completion as both models see it. The completion is the same tokens behind both prompts, which have at least one
// token each; only where the two models have tokenizers of their own it is the same text in different tokens.
struct Sequence {
  std::vector<std::int64_t> teacher_prompt;
  std::vector<std::int64_t> student_prompt;
  std::vector<std::int64_t> completion;               // in the student's tokens
  std::vector<float> sampler_log_probabilities = {};  // of each token of the completion; empty: unknown
  std::vector<float> own_log_probabilities = {};      // the author's at temperature 1, nothing cut off; empty: the same
  std::vector<float> importance = {};                 // of each token; empty: 1
  double weight = 1;                                  // of the whole sequence

  // The k likeliest words of the teacher at every token of the completion, row by row; empty: ask the teacher.
  std::vector<std::int32_t> top_ids = {};
  std::vector<float> top_log_probabilities = {};

  // What the teacher's head predicts every token of the completion from, [completion, H]; undefined: ask the teacher.
  torch::Tensor teacher_states = {};

  // Two tokenizers only: the completion in the teacher's tokens, and which tokens are compared.
  std::vector<std::int64_t> teacher_completion = {};
  std::vector<std::int32_t> student_places = {};  // ascending, in `completion`
  std::vector<std::int32_t> teacher_places = {};  // of the same size, in `teacher_completion`
};

// Words kept of each token; 0: none.
inline std::int64_t top_k_of(const Sequence& sequence) {
  return sequence.completion.empty() ? 0 : std::ssize(sequence.top_ids) / std::ssize(sequence.completion);
}

// Whether the teacher need not run for any of them, of which there is at least one.
template <class Sequences>
bool states_are_known(const Sequences& sequences) {
  return !std::empty(sequences) &&
         std::ranges::all_of(sequences, [](const Sequence& sequence) { return sequence.teacher_states.defined(); });
}

// Keeps at most `room` tokens of the completion, for either model, with what is known of them.
inline void cut(Sequence& sequence, std::size_t room) {
  const auto shorten = [](auto& list, std::size_t most) { list.resize(std::min(list.size(), most)); };
  const auto known_words = room * static_cast<std::size_t>(top_k_of(sequence));
  shorten(sequence.top_ids, known_words);
  shorten(sequence.top_log_probabilities, known_words);
  shorten(sequence.completion, room);
  shorten(sequence.sampler_log_probabilities, room);
  shorten(sequence.own_log_probabilities, room);
  shorten(sequence.importance, room);
  if (sequence.teacher_states.defined()) {
    sequence.teacher_states = sequence.teacher_states.narrow(0, 0, std::ssize(sequence.completion));
  }
  shorten(sequence.teacher_completion, room);
  std::size_t pairs = 0;  // both ascend
  while (pairs < sequence.student_places.size() && sequence.student_places[pairs] < std::ssize(sequence.completion) &&
         sequence.teacher_places[pairs] < std::ssize(sequence.teacher_completion)) {
    ++pairs;
  }
  sequence.student_places.resize(pairs);
  sequence.teacher_places.resize(pairs);
}

}  // namespace drystill::distiller
