#include "distiller/language/sequence_codec.h"

#include <ATen/ops/zeros.h>

#include <bit>

#include "core/error.h"

namespace drystill::distiller {
namespace {

constexpr std::int64_t kHeader = 7;  // three lengths, two flags, the weight's two halves

}  // namespace

std::int64_t encoded_size(std::int64_t longest) {
  return kHeader + 5 * longest;  // two prompts, the completion, two numbers a token of it
}

torch::Tensor encode(const Sequence& sequence, std::int64_t longest) {
  const std::int64_t completion = std::ssize(sequence.completion);
  if (std::max(std::ssize(sequence.teacher_prompt), std::ssize(sequence.student_prompt)) > longest ||
      completion > longest) {
    throw InputError("[distiller.encode] a sequence has more than " + std::to_string(longest) + " tokens");
  }
  torch::Tensor row = at::zeros({encoded_size(longest)}, torch::kInt32);
  auto* out = row.mutable_data_ptr<std::int32_t>();
  const auto weight = std::bit_cast<std::uint64_t>(sequence.weight);
  *out++ = static_cast<std::int32_t>(sequence.teacher_prompt.size());
  *out++ = static_cast<std::int32_t>(sequence.student_prompt.size());
  *out++ = static_cast<std::int32_t>(completion);
  *out++ = sequence.sampler_log_probabilities.empty() ? 0 : 1;
  *out++ = sequence.importance.empty() ? 0 : 1;
  *out++ = static_cast<std::int32_t>(weight >> 32);
  *out++ = static_cast<std::int32_t>(weight & 0xFFFFFFFFU);
  for (const auto* tokens : {&sequence.teacher_prompt, &sequence.student_prompt, &sequence.completion}) {
    for (const std::int64_t token : *tokens) *out++ = static_cast<std::int32_t>(token);
  }
  for (const auto* numbers : {&sequence.sampler_log_probabilities, &sequence.importance}) {
    for (const float number : *numbers) *out++ = std::bit_cast<std::int32_t>(number);
  }
  return row;
}

Sequence decode(const torch::Tensor& row) {
  const torch::Tensor packed = row.to(torch::kCPU).contiguous();
  const auto* in = packed.const_data_ptr<std::int32_t>();
  const std::int64_t teacher = in[0], student = in[1], completion = in[2];
  const bool has_log_probabilities = in[3] != 0, has_importance = in[4] != 0;
  const std::int64_t numbers =
      completion * (static_cast<int>(has_log_probabilities) + static_cast<int>(has_importance));
  if (teacher < 0 || student < 0 || completion < 0 ||
      kHeader + teacher + student + completion + numbers > packed.numel()) {
    throw InputError("[distiller.decode] a saved sequence is damaged: its lengths pass its row");
  }
  Sequence sequence;
  sequence.weight = std::bit_cast<double>((std::uint64_t{static_cast<std::uint32_t>(in[5])} << 32) |
                                          static_cast<std::uint32_t>(in[6]));
  in += kHeader;
  const auto take = [&]<class T>(std::vector<T>& into, std::int64_t count) {
    for (std::int64_t i = 0; i < count; ++i) {
      if constexpr (std::is_same_v<T, float>) {
        into.push_back(std::bit_cast<float>(*in++));
      } else {
        into.push_back(*in++);
      }
    }
  };
  take(sequence.teacher_prompt, teacher);
  take(sequence.student_prompt, student);
  take(sequence.completion, completion);
  if (has_log_probabilities) take(sequence.sampler_log_probabilities, completion);
  if (has_importance) take(sequence.importance, completion);
  return sequence;
}

}  // namespace drystill::distiller
