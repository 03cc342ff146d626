#include "distiller/language/packing.h"

namespace drystill::distiller {
namespace {

std::vector<language::PromptedCompletion> seen_by(std::span<const Sequence> sequences, Side side) {
  std::vector<language::PromptedCompletion> texts;
  for (const Sequence& sequence : sequences) {
    const bool own_tokens = side == Side::kTeacher && !sequence.teacher_completion.empty();
    texts.push_back({.prompt = side == Side::kTeacher ? sequence.teacher_prompt : sequence.student_prompt,
                     .completion = own_tokens ? sequence.teacher_completion : sequence.completion});
  }
  return texts;
}

}  // namespace

PackedView pack(std::span<const Sequence> sequences, Side side, torch::Device device) {
  return language::pack(seen_by(sequences, side), device);
}

torch::Tensor completion_tokens(std::span<const Sequence> sequences, torch::Device device) {
  return language::completion_tokens(seen_by(sequences, Side::kStudent), device);
}

}  // namespace drystill::distiller
