#include <ATen/ops/logsumexp.h>
#include <ATen/ops/nonzero.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>
#include <c10/util/StringUtil.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/error.h"
#include "kernels/matrix_product.h"
#include "kernels/second_order.h"
#include "kernels/token_divergence_parts.h"

namespace drystill::kernels {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr const char* kFusedWhere = "kernels.fused_token_divergence";
constexpr std::int64_t kChunkBytes = std::int64_t{128} << 20;
constexpr std::int64_t kLeastChunkRows = 16;

struct Job {
  HeadInput student;    // detached, weights in the type of their hidden states; so are the teacher's
  HeadMixture teacher;  // no heads if cached
  TeacherTopK top_k;
  torch::Tensor weights;  // [M] in the compute type, or undefined
  TokenDivergenceOptions options;
  FusedTokenDivergenceOptions fused;
  bool hidden_gradient = false, weight_gradient = false;
};

struct Gradients {
  torch::Tensor hidden, weight;
};

torch::Tensor rows_at(const torch::Tensor& tensor, const torch::Tensor& index, std::int64_t begin, std::int64_t count) {
  if (!tensor.defined()) return tensor;
  return index.defined() ? tensor.index_select(0, index.narrow(0, begin, count)) : tensor.narrow(0, begin, count);
}

// Runs over the tokens that count, a chunk at a time.
class ChunkedHead {
 public:
  explicit ChunkedHead(const Job& job)
      : job_(job),
        tokens_(job.student.hidden.size(0)),
        vocabulary_(job.student.weight.size(0)),
        type_(compute_type(job.student.hidden)) {
    if (job_.weights.defined()) {
      const torch::Tensor counted = at::nonzero(job_.weights).squeeze(1);
      if (counted.size(0) < tokens_) index_ = counted;
    }
  }

  FusedTokenDivergence run(Gradients& gradients) {
    const auto floats = job_.student.hidden.options().dtype(type_);
    FusedTokenDivergence result;
    result.token_losses = at::zeros({tokens_}, floats);
    result.agreements = at::zeros({}, floats.dtype(torch::kInt64));
    if (job_.fused.metrics && !job_.teacher.heads.empty()) result.token_kl = at::zeros({tokens_}, floats);
    if (job_.hidden_gradient) gradients.hidden = at::zeros_like(job_.student.hidden, at::MemoryFormat::Contiguous);
    if (job_.weight_gradient) gradients.weight = at::zeros(job_.student.weight.sizes(), floats);

    const std::int64_t count = index_.defined() ? index_.size(0) : tokens_;
    // Of equal size: each goes over the whole head, which a small rest would not be worth.
    const std::int64_t most = chunk_rows(), chunks = std::max<std::int64_t>(1, (count + most - 1) / most);
    const std::int64_t chunk = (count + chunks - 1) / chunks;
    for (std::int64_t begin = 0; begin < count; begin += chunk) {
      add_chunk(begin, std::min(chunk, count - begin), result, gradients);
    }
    const torch::Tensor weighted = job_.weights.defined() ? result.token_losses * job_.weights : result.token_losses;
    result.loss = weighted.sum(torch::kFloat64).div_(job_.fused.normaliser).to(type_);
    return result;
  }

 private:
  std::int64_t chunk_rows() const {
    if (job_.fused.chunk_rows > 0) return job_.fused.chunk_rows;
    std::int64_t bytes = job_.student.hidden.element_size();
    for (const HeadInput& head : job_.teacher.heads) bytes += head.hidden.element_size();
    if (job_.teacher.heads.size() > 1) bytes += 2 * static_cast<std::int64_t>(sizeof(float));  // their mean
    return std::max(kLeastChunkRows, kChunkBytes / (bytes * vocabulary_));
  }

  void add_chunk(std::int64_t begin, std::int64_t count, FusedTokenDivergence& result, Gradients& gradients) {
    const torch::Tensor hidden = rows_at(job_.student.hidden, index_, begin, count);
    TokenRowsInput input;
    input.student = product_transposed(hidden, job_.student.weight);
    if (!job_.teacher.heads.empty()) {
      input.teacher = teacher_logits(begin, count);
    } else {
      input.top_k = {rows_at(job_.top_k.ids, index_, begin, count),
                     rows_at(job_.top_k.log_probabilities, index_, begin, count)};
    }
    input.scales = rows_at(job_.weights, index_, begin, count);
    // Over the logits themselves, which nobody needs any more.
    if (job_.hidden_gradient || job_.weight_gradient) input.gradient = input.student;
    input.metrics = job_.fused.metrics;
    const TokenRows rows = token_rows(input, job_.options);

    put(result.token_losses, rows.loss, begin);
    if (result.token_kl.defined()) put(result.token_kl, rows.kl, begin);
    if (input.metrics) result.agreements.add_(rows.agreements.sum());
    if (job_.hidden_gradient) {
      put(gradients.hidden, product_transposed(input.gradient, job_.student.weight.t()).div_(job_.fused.normaliser),
          begin);
    }
    if (job_.weight_gradient) add_weight_gradient(input.gradient.t(), hidden, gradients.weight);
  }

  // Of several heads: T times the log of their mean probability at T, which the temperature then divides again.
  torch::Tensor teacher_logits(std::int64_t begin, std::int64_t count) const {
    const auto& [heads, shares] = job_.teacher;
    const auto logits = [&](const HeadInput& head) {
      return product_transposed(rows_at(head.hidden, index_, begin, count), head.weight);
    };
    if (heads.size() == 1) return logits(heads.front());
    const double temperature = job_.options.temperature, total = std::accumulate(shares.begin(), shares.end(), 0.0);
    std::vector<torch::Tensor> members;
    for (std::size_t i = 0; i < heads.size(); ++i) {
      members.push_back((logits(heads[i]).to(type_) / temperature).log_softmax(1).add_(std::log(shares[i] / total)));
    }
    return at::logsumexp(at::stack(members), 0).mul_(temperature);
  }

  void add_weight_gradient(const torch::Tensor& logit_gradient, const torch::Tensor& hidden, torch::Tensor& sum) {
    sum.add_(product_transposed(logit_gradient, hidden.t()), 1 / job_.fused.normaliser);
  }

  void put(torch::Tensor& all, const torch::Tensor& part, std::int64_t begin) const {
    if (index_.defined()) {
      all.index_copy_(0, index_.narrow(0, begin, part.size(0)), part);
    } else {
      all.narrow(0, begin, part.size(0)).copy_(part);
    }
  }

  const Job& job_;
  std::int64_t tokens_, vocabulary_;
  torch::ScalarType type_;
  torch::Tensor index_;  // tokens of weight not 0, undefined if that is all of them
};

// Hands out gradients that already exist: `loss` and `parts` are no tensors to autograd.
struct FusedTokenDivergenceFunction : torch::autograd::Function<FusedTokenDivergenceFunction> {
  struct Parts {
    torch::Tensor loss;
    Gradients gradients;
  };

  static torch::Tensor forward(AutogradContext* context, const torch::Tensor& hidden, const torch::Tensor& weight,
                               const Parts& parts) {
    context->save_for_backward({parts.gradients.hidden, parts.gradients.weight});
    context->saved_data["hidden_type"] = static_cast<std::int64_t>(hidden.scalar_type());
    context->saved_data["weight_type"] = static_cast<std::int64_t>(weight.scalar_type());
    return parts.loss;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    refuse_second_order(kFusedWhere);
    const torch::Tensor& of_loss = gradients[0];
    const bool unit = of_loss.is_cpu() && of_loss.item<double>() == 1;  // asking a CUDA device would wait for it
    const auto saved = context->get_saved_variables();
    const auto scaled = [&](const torch::Tensor& gradient, const char* type) {
      if (!gradient.defined()) return gradient;
      const auto wanted = static_cast<torch::ScalarType>(context->saved_data[type].toInt());
      return (unit ? gradient : gradient * of_loss).to(wanted);
    };
    variable_list results(3);
    results[0] = scaled(saved[0], "hidden_type");
    results[1] = scaled(saved[1], "weight_type");
    return results;
  }
};

HeadInput constant(const HeadInput& head) {
  return {head.hidden.detach().contiguous(), head.weight.detach().to(head.hidden.scalar_type()).contiguous()};
}

void check_fits(const HeadInput& student, const HeadInput& teacher) {
  if (teacher.hidden.size(0) != student.hidden.size(0) || teacher.hidden.device() != student.hidden.device()) {
    throw InputError(c10::str("[", kFusedWhere, "] expected as many teacher as student tokens, on one device, got ",
                              student.hidden.size(0), " on ", student.hidden.device(), " and ", teacher.hidden.size(0),
                              " on ", teacher.hidden.device()));
  }
  if (teacher.weight.size(0) != student.weight.size(0)) {
    throw InputError(c10::str("[", kFusedWhere, "] expected heads of one vocabulary, got ", student.weight.size(0),
                              " words of the student and ", teacher.weight.size(0),
                              " of the teacher; slice both to the words they share"));
  }
  if (c10::GradMode::is_enabled() && teacher.hidden.requires_grad()) {
    throw InputError(
        c10::str("[", kFusedWhere, "] expected teacher hidden states without gradient (constants here); detach them"));
  }
}

Job begin_job(const HeadInput& student, const TokenDivergenceOptions& options, const torch::Tensor& row_weights,
              const FusedTokenDivergenceOptions& fused) {
  check_token_options(options, kFusedWhere);
  if (!(fused.normaliser > 0) || !std::isfinite(fused.normaliser)) {
    throw ConfigError(c10::str("[", kFusedWhere, "] expected a finite normaliser > 0, got ", fused.normaliser));
  }
  if (fused.chunk_rows < 0) {
    throw ConfigError(c10::str("[", kFusedWhere, "] expected chunk_rows >= 0, got ", fused.chunk_rows));
  }
  check_head(student, "student", kFusedWhere);
  Job job{.student = constant(student), .teacher = {}, .top_k = {}, .weights = {}, .options = options, .fused = fused};
  if (row_weights.defined()) {
    check_row_weights(row_weights, student.hidden, kFusedWhere);
    job.weights = row_weights.to(compute_type(student.hidden)).contiguous();
  }
  const bool recording = c10::GradMode::is_enabled();
  job.hidden_gradient = recording && student.hidden.requires_grad();
  job.weight_gradient = recording && student.weight.requires_grad();
  return job;
}

FusedTokenDivergence finish(const HeadInput& student, const Job& job) {
  FusedTokenDivergenceFunction::Parts parts;
  FusedTokenDivergence result;
  {
    const torch::NoGradGuard no_grad;
    result = ChunkedHead(job).run(parts.gradients);
  }
  parts.loss = result.loss;
  if (job.hidden_gradient || job.weight_gradient) {
    result.loss = FusedTokenDivergenceFunction::apply(student.hidden, student.weight, parts);
  }
  return result;
}

}  // namespace

FusedTokenDivergence fused_token_divergence(const HeadInput& student, const HeadMixture& teacher,
                                            const TokenDivergenceOptions& options, const torch::Tensor& row_weights,
                                            const FusedTokenDivergenceOptions& fused) {
  Job job = begin_job(student, options, row_weights, fused);
  check_mixture(teacher, kFusedWhere);
  for (const HeadInput& head : teacher.heads) {
    check_fits(student, head);
    job.teacher.heads.push_back(constant(head));
  }
  job.teacher.shares = teacher.shares;
  return finish(student, job);
}

FusedTokenDivergence fused_token_divergence(const HeadInput& student, const HeadInput& teacher,
                                            const TokenDivergenceOptions& options, const torch::Tensor& row_weights,
                                            const FusedTokenDivergenceOptions& fused) {
  return fused_token_divergence(student, HeadMixture{.heads = {teacher}, .shares = {1}}, options, row_weights, fused);
}

FusedTokenDivergence fused_token_divergence(const HeadInput& student, const TeacherTopK& teacher,
                                            const TokenDivergenceOptions& options, const torch::Tensor& row_weights,
                                            const FusedTokenDivergenceOptions& fused) {
  Job job = begin_job(student, options, row_weights, fused);
  job.top_k = checked_top_k(teacher, student.hidden, student.weight.size(0), compute_type(student.hidden), options,
                            kFusedWhere);
  return finish(student, job);
}

}  // namespace drystill::kernels
