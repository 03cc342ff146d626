#include <ATen/ops/arange.h>
#include <ATen/ops/sort.h>
#include <ATen/ops/where.h>
#include <c10/util/StringUtil.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/error.h"
#include "kernels/token_divergence_parts.h"

namespace drystill::kernels {

void check_token_options(const TokenDivergenceOptions& options, const char* where) {
  const auto refuse = [&](const char* expected, double got) {
    throw ConfigError(c10::str("[", where, "] expected ", expected, ", got ", got));
  };
  if (!(options.temperature > 0) || !std::isfinite(options.temperature)) {
    refuse("a finite temperature > 0", options.temperature);
  }
  if (!(options.beta >= 0 && options.beta <= 1)) refuse("beta in [0, 1]", options.beta);
  if (!(options.entry_clip >= 0)) refuse("entry_clip >= 0 (0 for none)", options.entry_clip);
  if (!(options.token_clip >= 0)) refuse("token_clip >= 0 (0 for none)", options.token_clip);
  if (options.k < 1) refuse("k >= 1", static_cast<double>(options.k));
}

void check_row_weights(const torch::Tensor& weights, const torch::Tensor& student, const char* where) {
  if (weights.dim() != 1 || weights.size(0) != student.size(0) || weights.device() != student.device()) {
    throw InputError(c10::str("[", where, "] expected row_weights of shape [", student.size(0), "] on ",
                              student.device(), ", got shape ", weights.sizes(), " on ", weights.device()));
  }
  if (weights.requires_grad()) {
    throw InputError(
        c10::str("[", where, "] expected row_weights without gradient (they are constants here); detach them"));
  }
}

namespace {

void check_top_k_shapes(const TeacherTopK& teacher, const torch::Tensor& student, const char* where) {
  const auto& [ids, log_probabilities] = teacher;
  if (!ids.defined() || !log_probabilities.defined()) {
    throw InputError(
        c10::str("[", where, "] expected the teacher's ids and log-probabilities, got an undefined tensor"));
  }
  if (ids.dim() != 2 || ids.size(0) != student.size(0) || ids.size(1) < 1 || ids.sizes() != log_probabilities.sizes()) {
    throw InputError(c10::str("[", where, "] expected the teacher's ids and log-probabilities of one shape [",
                              student.size(0), ", K], got ", ids.sizes(), " and ", log_probabilities.sizes()));
  }
  if (ids.scalar_type() != torch::kInt64 || !log_probabilities.is_floating_point()) {
    throw InputError(c10::str("[", where, "] expected int64 ids and floating log-probabilities, got ",
                              ids.scalar_type(), " and ", log_probabilities.scalar_type()));
  }
  if (ids.device() != student.device() || log_probabilities.device() != student.device()) {
    throw InputError(c10::str("[", where, "] expected the teacher's words on ", student.device(), ", got ",
                              ids.device(), " and ", log_probabilities.device()));
  }
  if (log_probabilities.requires_grad()) {
    throw InputError(c10::str("[", where, "] expected teacher log-probabilities without gradient; detach them"));
  }
}

void check_top_k_values(const torch::Tensor& ids, const torch::Tensor& log_probabilities, std::int64_t vocabulary,
                        const char* where) {
  if (ids.numel() == 0) return;
  const std::int64_t least = ids.min().item<std::int64_t>(), greatest = ids.max().item<std::int64_t>();
  if (least < 0 || greatest >= vocabulary) {
    throw InputError(c10::str("[", where, "] expected teacher word ids in [0, ", vocabulary, "), got ",
                              least < 0 ? least : greatest, "; was the cache made with another tokenizer?"));
  }
  const double total = log_probabilities.exp().sum(1).max().item<double>();  // NaN if there is one
  if (!(total <= 1.01)) {
    throw InputError(
        c10::str("[", where, "] expected log-probabilities whose exponentials sum to at most 1 a token, got ", total));
  }
  // Absent entries become different words beyond the vocabulary.
  const torch::Tensor beyond = at::arange(ids.size(1), ids.options()) + vocabulary;
  const torch::Tensor present = log_probabilities.gt(-std::numeric_limits<double>::infinity());
  const torch::Tensor sorted = std::get<0>(at::sort(at::where(present, ids, beyond), 1));
  const std::int64_t last = sorted.size(1) - 1;
  if (sorted.narrow(1, 1, last).eq(sorted.narrow(1, 0, last)).any().item<bool>()) {
    throw InputError(c10::str("[", where, "] expected each teacher word once a token, got one twice"));
  }
}

}  // namespace

TeacherTopK checked_top_k(const TeacherTopK& teacher, const torch::Tensor& student, std::int64_t vocabulary,
                          torch::ScalarType type, const TokenDivergenceOptions& options, const char* where) {
  if (options.support != TokenSupport::kTeacherTopK) {
    throw ConfigError(c10::str("[", where, "] expected support teacher_top_k for a cached teacher, got ",
                               enum_name(options.support), ": the other words' probabilities are unknown"));
  }
  if (options.temperature != 1 && options.remainder != TokenRemainder::kRenormalise) {
    throw ConfigError(c10::str("[", where,
                               "] expected temperature 1 or remainder renormalise for a cached teacher, got ",
                               options.temperature, " and ", enum_name(options.remainder)));
  }
  check_top_k_shapes(teacher, student, where);
  torch::Tensor ids = teacher.ids, log_probabilities = teacher.log_probabilities.to(type);
  check_top_k_values(ids, log_probabilities, vocabulary, where);
  // Sorted always: the first is the teacher's choice.
  const auto [sorted, order] = at::sort(log_probabilities, 1, /*descending=*/true);
  const std::int64_t k = std::min(options.k, ids.size(1));
  return {ids.gather(1, order).narrow(1, 0, k).contiguous(), sorted.narrow(1, 0, k).contiguous()};
}

}  // namespace drystill::kernels
