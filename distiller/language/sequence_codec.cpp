#include "distiller/language/sequence_codec.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include <bit>
#include <span>
#include <type_traits>

#include "core/error.h"

namespace drystill::distiller {
namespace {

// The lengths of all lists, then the weight's two halves.
constexpr std::int64_t kLengths = 11, kHeader = kLengths + 2;

template <class T>
std::int32_t bits_of(T value) {
  if constexpr (std::is_same_v<T, float>) return std::bit_cast<std::int32_t>(value);
  return static_cast<std::int32_t>(value);
}

// Calls `visit` with every list of numbers, in the row's order.
template <class S, class Visit>
void visit_lists(S& sequence, Visit&& visit) {
  visit(sequence.teacher_prompt);
  visit(sequence.student_prompt);
  visit(sequence.completion);
  visit(sequence.sampler_log_probabilities);
  visit(sequence.own_log_probabilities);
  visit(sequence.importance);
  visit(sequence.top_ids);
  visit(sequence.top_log_probabilities);
  visit(sequence.teacher_completion);
  visit(sequence.student_places);
  visit(sequence.teacher_places);
}

}  // namespace

std::int64_t encoded_size(const RowSize& size) {
  // Two prompts, the completion and two or three numbers a token of it.
  return kHeader +
         (5 + (size.own_log_probabilities ? 1 : 0) + 2 * size.top_k + (size.two_tokenizers ? 3 : 0)) * size.longest;
}

torch::Tensor encode(const Sequence& sequence) {
  std::int64_t numbers = 0;
  visit_lists(sequence, [&](const auto& list) { numbers += std::ssize(list); });
  torch::Tensor row = at::empty({kHeader + numbers}, torch::kInt32);
  auto* out = row.mutable_data_ptr<std::int32_t>();
  visit_lists(sequence, [&](const auto& list) { *out++ = static_cast<std::int32_t>(list.size()); });
  const auto weight = std::bit_cast<std::uint64_t>(sequence.weight);
  *out++ = static_cast<std::int32_t>(weight >> 32);
  *out++ = static_cast<std::int32_t>(weight & 0xFFFFFFFFU);
  visit_lists(sequence, [&](const auto& list) {
    for (const auto value : list) *out++ = bits_of(value);
  });
  return row;
}

torch::Tensor encode(const Sequence& sequence, const RowSize& size) {
  const torch::Tensor exact = encode(sequence);
  const bool fits = std::ssize(sequence.teacher_prompt) <= size.longest &&
                    std::ssize(sequence.student_prompt) <= size.longest &&
                    std::ssize(sequence.completion) <= size.longest && exact.size(0) <= encoded_size(size);
  if (!fits) {
    throw InputError("[distiller.encode] a sequence has more than " + std::to_string(size.longest) +
                     " tokens, or more than its row has room for");
  }
  torch::Tensor row = at::zeros({encoded_size(size)}, torch::kInt32);
  row.narrow(0, 0, exact.size(0)).copy_(exact);
  return row;
}

Sequence decode(const torch::Tensor& row) {
  const torch::Tensor packed = row.to(torch::kCPU).contiguous();
  const std::span<const std::int32_t> all(packed.const_data_ptr<std::int32_t>(),
                                          static_cast<std::size_t>(packed.numel()));
  std::int64_t numbers = 0;
  bool sound = std::ssize(all) >= kHeader;
  for (std::int64_t i = 0; sound && i < kLengths; ++i) {
    sound = all[static_cast<std::size_t>(i)] >= 0;
    numbers += all[static_cast<std::size_t>(i)];
  }
  if (!sound || kHeader + numbers > std::ssize(all)) {
    throw InputError("[distiller.decode] a saved sequence is damaged: its lengths pass its row");
  }
  Sequence sequence;
  const auto* length = all.data();
  sequence.weight = std::bit_cast<double>((std::uint64_t{static_cast<std::uint32_t>(all[kLengths])} << 32) |
                                          static_cast<std::uint32_t>(all[kLengths + 1]));
  const auto* in = all.data() + kHeader;
  visit_lists(sequence, [&]<class T>(std::vector<T>& list) {
    list.resize(static_cast<std::size_t>(*length++));
    for (T& value : list) {
      if constexpr (std::is_same_v<T, float>) {
        value = std::bit_cast<float>(*in++);
      } else {
        value = *in++;
      }
    }
  });
  return sequence;
}

}  // namespace drystill::distiller
