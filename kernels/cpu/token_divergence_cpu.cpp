#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "kernels/cpu/token_buckets.h"
#include "kernels/token_divergence_parts.h"

namespace drystill::kernels::cpu {
namespace {

constexpr std::int64_t kWordsPerThread = 1 << 14;  // below this a second thread costs more than it saves

struct Rows {
  const TokenRowsInput& input;
  const TokenDivergenceOptions& options;
  const TokenRows& output;
  std::int64_t vocabulary = input.student.size(1);
  BucketRule rule{
      effective_kind(options), static_cast<float>(options.beta),
      options.entry_clip > 0 ? static_cast<float>(options.entry_clip) : std::numeric_limits<float>::infinity()};
  float inverse_temperature = static_cast<float>(1 / options.temperature);
  // Words a support may hold.
  std::int64_t most_words() const {
    if (options.support == TokenSupport::kFull) return 0;
    if (input.top_k.ids.defined()) return input.top_k.ids.size(1);
    return std::min(options.k, vocabulary) * (options.support == TokenSupport::kUnionTopK ? 2 : 1);
  }
};

template <class T>
T& element(const torch::Tensor& tensor, std::int64_t i) {
  return tensor.mutable_data_ptr<T>()[i];
}

LogitRow logit_row(const torch::Tensor& logits, std::int64_t row) {
  const auto* bytes = static_cast<const char*>(logits.const_data_ptr());
  return {bytes + row * logits.size(1) * logits.element_size(), logits.scalar_type() == torch::kBFloat16};
}

void* gradient_row(const torch::Tensor& gradient, std::int64_t row) {
  return static_cast<char*>(gradient.mutable_data_ptr()) + row * gradient.size(1) * gradient.element_size();
}

// One thread's work space and the steps of a row.
class RowWorker {
 public:
  explicit RowWorker(const Rows& rows)
      : rows_(rows),
        floats_(static_cast<std::size_t>(4 * token_row_floats(rows.vocabulary))),
        candidates_(static_cast<std::size_t>(rows.most_words())),
        ids_(candidates_.size()),
        doubles_(4 * (candidates_.size() + 1)) {
    float* next = floats_.data();
    for (float** row : {&student_centered_, &student_weights_, &teacher_centered_, &teacher_weights_}) {
      *row = next;
      next += token_row_floats(rows.vocabulary);
    }
  }

  void evaluate(std::int64_t row) {
    const TokenRowsInput& input = rows_.input;
    const std::int64_t words = rows_.vocabulary;
    const float scale = input.scales.defined() ? element<float>(input.scales, row) : 1.f;
    if (scale == 0) return skip(row);
    student_ = load_softmax(logit_row(input.student, row), words, rows_.inverse_temperature, student_centered_,
                            student_weights_);
    if (input.teacher.defined()) {
      teacher_ = load_softmax(logit_row(input.teacher, row), words, rows_.inverse_temperature, teacher_centered_,
                              teacher_weights_);
    }
    if (input.metrics) measure(row);

    const bool full = rows_.options.support == TokenSupport::kFull;
    const SummedTerms terms = full ? sum_all_words(rows_.rule, student_, student_centered_, student_weights_, teacher_,
                                                   teacher_centered_, teacher_weights_, words)
                                   : sum_support(row);
    const double factor = temperature_factor(rows_.options), limit = rows_.options.token_clip;
    const double loss = factor * terms.loss;
    const bool clipped = limit > 0 && loss > limit;
    element<float>(rows_.output.loss, row) = static_cast<float>(clipped ? limit : loss);
    if (!input.gradient.defined()) return;
    const double slope_scale = clipped ? 0 : scale * factor * rows_.inverse_temperature;
    if (full) {
      store(row, teacher_centered_, terms.slope_sum, slope_scale);
    } else {
      store_support(row, terms.slope_sum, slope_scale);
    }
  }

 private:
  void skip(std::int64_t row) {
    element<float>(rows_.output.loss, row) = 0;
    if (rows_.input.metrics) {
      if (rows_.output.kl.defined()) element<float>(rows_.output.kl, row) = 0;
      element<bool>(rows_.output.agreements, row) = false;
    }
    if (rows_.input.gradient.defined()) {
      const torch::Tensor& gradient = rows_.input.gradient;
      std::fill_n(static_cast<char*>(gradient_row(gradient, row)), gradient.size(1) * gradient.element_size(), 0);
    }
  }

  void measure(std::int64_t row) {
    const std::int64_t words = rows_.vocabulary, choice = first_maximum(student_centered_, words);
    const bool cached = !rows_.input.teacher.defined();
    if (!cached) {
      element<float>(rows_.output.kl, row) = static_cast<float>(
          forward_kl(student_, student_centered_, teacher_, teacher_centered_, teacher_weights_, words));
    }
    element<bool>(rows_.output.agreements, row) =
        choice == (cached ? *cached_ids(row) : first_maximum(teacher_centered_, words));
  }

  const std::int64_t* cached_ids(std::int64_t row) const {
    const torch::Tensor& ids = rows_.input.top_k.ids;
    return ids.const_data_ptr<std::int64_t>() + row * ids.size(1);
  }

  // Fills ids_ and the log-probabilities of the support, and sums its buckets.
  SummedTerms sum_support(std::int64_t row) {
    const std::size_t most = candidates_.size() + 1;
    buckets_ = {0, doubles_.data(), doubles_.data() + most, doubles_.data() + 2 * most, doubles_.data() + 3 * most};
    if (rows_.input.top_k.ids.defined()) {
      take_cached(row);
    } else {
      choose();
      for (std::int64_t i = 0; i < buckets_.count; ++i) {
        buckets_.teacher[i] = static_cast<double>(teacher_centered_[ids_[i]]) - teacher_.log_sum;
      }
    }
    for (std::int64_t i = 0; i < buckets_.count; ++i) {
      buckets_.student[i] = static_cast<double>(student_centered_[ids_[i]]) - student_.log_sum;
    }
    if (buckets_.count == 0) return {0, 0};  // nothing cached for this token
    return sum_buckets(rows_.rule, rows_.options.remainder, buckets_);
  }

  void take_cached(std::int64_t row) {
    const torch::Tensor& log_probabilities = rows_.input.top_k.log_probabilities;
    const float* values = log_probabilities.const_data_ptr<float>() + row * log_probabilities.size(1);
    for (std::int64_t i = 0; i < log_probabilities.size(1); ++i) {
      if (values[i] == -std::numeric_limits<float>::infinity()) continue;
      buckets_.teacher[buckets_.count] = static_cast<double>(values[i]) * rows_.inverse_temperature;
      ids_[buckets_.count++] = cached_ids(row)[i];
    }
  }

  void choose() {
    const std::int64_t k = std::min(rows_.options.k, rows_.vocabulary);
    const auto add = [&](const float* centered) {
      top_candidates(centered, rows_.vocabulary, k, candidates_.data());
      for (std::int64_t i = 0; i < k; ++i) ids_[buckets_.count + i] = candidates_[i].id;
      buckets_.count += k;
    };
    if (rows_.options.support != TokenSupport::kStudentTopK) add(teacher_centered_);
    if (rows_.options.support != TokenSupport::kTeacherTopK) add(student_centered_);
    std::sort(ids_.begin(), ids_.begin() + buckets_.count);
    buckets_.count = std::unique(ids_.begin(), ids_.begin() + buckets_.count) - ids_.begin();
  }

  // Gradient scale * (slopes - p * slope_sum).
  void store(std::int64_t row, const float* slopes, double slope_sum, double scale) {
    store_gradient(slopes, student_weights_, static_cast<float>(slope_sum * student_.inverse_sum),
                   static_cast<float>(scale), rows_.vocabulary, gradient_row(rows_.input.gradient, row),
                   rows_.input.gradient.scalar_type() == torch::kBFloat16);
  }

  void store_support(std::int64_t row, double slope_sum, double scale) {
    const bool renormalised = rows_.options.remainder == TokenRemainder::kRenormalise;
    store(row, nullptr, renormalised ? 0 : slope_sum, scale);
    void* gradient = gradient_row(rows_.input.gradient, row);
    const bool bfloat16 = rows_.input.gradient.scalar_type() == torch::kBFloat16;
    for (std::int64_t i = 0; i < buckets_.count; ++i) {
      const auto value = static_cast<float>(scale * (buckets_.slopes[i] - buckets_.shares[i] * slope_sum));
      if (bfloat16) {
        static_cast<c10::BFloat16*>(gradient)[ids_[i]] = value;
      } else {
        static_cast<float*>(gradient)[ids_[i]] = value;
      }
    }
  }

  const Rows& rows_;
  std::vector<float> floats_;
  std::vector<Candidate> candidates_;
  std::vector<std::int64_t> ids_;
  std::vector<double> doubles_;
  float *student_centered_, *student_weights_, *teacher_centered_, *teacher_weights_;
  TokenSoftmax student_{}, teacher_{};
  Buckets buckets_{};
};

}  // namespace

TokenRows token_rows(const TokenRowsInput& input, const TokenDivergenceOptions& options) {
  const std::int64_t rows = input.student.size(0);
  const auto type = input.student.options().dtype(torch::kFloat32);
  TokenRows output{at::empty({rows}, type), {}, {}};
  if (input.metrics) {
    if (input.teacher.defined()) output.kl = at::empty({rows}, type);
    output.agreements = at::empty({rows}, type.dtype(torch::kBool));
  }
  const Rows work{.input = input, .options = options, .output = output};
  at::parallel_for(0, rows, std::max<std::int64_t>(1, kWordsPerThread / work.vocabulary),
                   [&](std::int64_t begin, std::int64_t end) {
                     RowWorker worker(work);
                     for (std::int64_t row = begin; row < end; ++row) worker.evaluate(row);
                   });
  return output;
}

}  // namespace drystill::kernels::cpu
