#include "distiller/language/learner.h"

#include <ATen/ops/_foreach_mul.h>
#include <ATen/ops/_foreach_norm.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>

#include "curriculum/sample_weights.h"
#include "distiller/language/loss_terms.h"
#include "distiller/learning_rate.h"

namespace drystill::distiller {
namespace {

// The rows of two heads that both know: embeddings of one tokenizer may be padded to different sizes.
void keep_shared_words(PredictedTokens& predicted) {
  if (!predicted.teacher.weight.defined()) return;
  const std::int64_t words = std::min(predicted.student.weight.size(0), predicted.teacher.weight.size(0));
  predicted.student.weight = predicted.student.weight.narrow(0, 0, words);
  predicted.teacher.weight = predicted.teacher.weight.narrow(0, 0, words);
}

// Tokens of a sequence that have a loss.
std::int64_t counted(const Sequence& sequence, const LanguageLossOptions& loss) {
  return std::max<std::int64_t>(0, std::ssize(sequence.completion) - loss.skip_first);
}

double normaliser(std::span<const Sequence> sequences, const LanguageLossOptions& loss, std::int64_t longest) {
  double total = 0;
  for (const Sequence& sequence : sequences) {
    switch (loss.aggregation) {
      case Aggregation::kTokenMean:
        total += static_cast<double>(counted(sequence, loss));
        break;
      case Aggregation::kSequenceMean:
        total += counted(sequence, loss) > 0 ? 1 : 0;
        break;
      case Aggregation::kConstantLength:
        total += static_cast<double>(longest);
        break;
    }
  }
  return total;
}

// The weight of every token, without the curriculum's: [M].
torch::Tensor token_weights(std::span<const Sequence> sequences, const LanguageLossOptions& loss) {
  std::vector<float> weights;
  for (const Sequence& sequence : sequences) {
    const auto tokens = static_cast<double>(counted(sequence, loss));
    double weight = sequence.weight;
    if (loss.aggregation == Aggregation::kSequenceMean && tokens > 0) weight /= tokens;
    for (std::int64_t t = 0; t < std::ssize(sequence.completion); ++t) {
      weights.push_back(t < loss.skip_first ? 0 : static_cast<float>(weight));
    }
  }
  return at::tensor(weights, torch::kFloat32);
}

// [N] of the sequences -> [M], each value for all tokens of its sequence.
torch::Tensor spread(const torch::Tensor& values, std::span<const Sequence> sequences) {
  std::vector<std::int64_t> owner;
  for (std::int64_t i = 0; i < std::ssize(sequences); ++i) {
    owner.insert(owner.end(), sequences[static_cast<std::size_t>(i)].completion.size(), i);
  }
  return values.index_select(0, at::tensor(owner, torch::kInt64).to(values.device()));
}

// Mean over the counted tokens of each sequence: [M] -> [N].
torch::Tensor sequence_means(const torch::Tensor& token_losses, std::span<const Sequence> sequences,
                             const LanguageLossOptions& loss) {
  std::vector<torch::Tensor> means;
  std::int64_t begin = 0;
  for (const Sequence& sequence : sequences) {
    const std::int64_t tokens = counted(sequence, loss), length = std::ssize(sequence.completion);
    means.push_back(tokens > 0 ? token_losses.narrow(0, begin + length - tokens, tokens).mean()
                               : at::zeros({}, token_losses.options()));
    begin += length;
  }
  return at::stack(means);
}

void clip_gradients(const std::vector<torch::Tensor>& parameters, double limit) {
  if (limit == 0) return;
  std::vector<torch::Tensor> gradients;
  for (const torch::Tensor& parameter : parameters) {
    if (parameter.grad().defined()) gradients.push_back(parameter.grad());
  }
  if (gradients.empty()) return;
  const torch::Tensor norm = at::stack(at::_foreach_norm(gradients, 2)).norm();
  const double factor = limit / (norm.item<double>() + 1e-6);
  if (factor < 1) at::_foreach_mul_(gradients, factor);
}

}  // namespace

LanguageLearner::LanguageLearner(const LanguageLearnerOptions& options, const LanguageStudent& student,
                                 std::unique_ptr<LanguageTeacher> teacher, torch::Device device)
    : options_(options),
      student_(student),
      teacher_(std::move(teacher)),
      device_(device),
      optimizer_(student.trainable(), options.optimizer) {}

PredictedTokens LanguageLearner::forward(std::span<const Sequence> sequences) const {
  const auto states = [&](const auto& model, Side side) {
    const PackedView view = pack(sequences, side, device_);
    return kernels::HeadInput{.hidden = predicting_states(model.hidden(view.tokens), view),
                              .weight = model.output_weight()};
  };
  PredictedTokens predicted{
      .student = states(student_, Side::kStudent), .teacher = {}, .tokens = completion_tokens(sequences, device_)};
  if (teacher_) {
    const torch::NoGradGuard no_grad;
    predicted.teacher = states(teacher_->model(), Side::kTeacher);
    predicted.teacher.weight = predicted.teacher.weight.detach();
  }
  keep_shared_words(predicted);
  return predicted;
}

StepReport LanguageLearner::step(const Batch& batch, const curriculum::StagePlan& plan) {
  const LanguageLossOptions& loss_options = options_.loss;
  const std::span<const Sequence> all(batch.sequences);
  const double total = normaliser(all, loss_options, options_.longest);
  StepReport report;
  if (total == 0) {  // every token is masked: nothing to learn, and nothing to divide by
    report.loss = at::zeros({});
    report.sample_losses = report.sample_weights = at::zeros({std::ssize(all)});
    return report;
  }
  optimizer_.set_learning_rate(optimizer_.peak_learning_rate() *
                               learning_rate_factor(options_.schedule, plan.step, options_.total_steps));
  optimizer_.zero_grad();
  std::vector<torch::Tensor> losses, weights;
  for (std::size_t begin = 0; begin < all.size(); begin += static_cast<std::size_t>(options_.micro_batch)) {
    const auto part = all.subspan(begin, std::min<std::size_t>(all.size() - begin, options_.micro_batch));
    const PredictedTokens predicted = forward(part);
    const torch::Tensor plain_weights = token_weights(part, loss_options).to(device_);
    torch::Tensor paced = at::ones({std::ssize(part)}, plain_weights.options()), known_losses;
    if (plan.pacing != curriculum::Pacing::kNone) {
      const torch::NoGradGuard no_grad;  // the weights must be known before the gradient is
      known_losses = main_losses(predicted, part);
      paced = curriculum::sample_weights(known_losses, plan.easy_threshold, plan.pacing);
    }
    const torch::Tensor token_losses = backward(predicted, part, plain_weights * spread(paced, part), total);
    losses.push_back(known_losses.defined() ? known_losses : sequence_means(token_losses, part, loss_options));
    weights.push_back(paced);
  }
  clip_gradients(student_.trainable(), options_.clip_gradient);
  optimizer_.step();
  ++steps_;
  if (teacher_) teacher_->after_step(steps_);
  if (on_step_) on_step_();
  report.sample_losses = at::cat(losses);
  report.sample_weights = at::cat(weights);
  report.loss = report.sample_losses.mean();
  return report;
}

torch::Tensor LanguageLearner::main_losses(const PredictedTokens& predicted,
                                           std::span<const Sequence> sequences) const {
  const torch::Tensor ones = at::ones_like(predicted.tokens, torch::kFloat32);
  const auto terms =
      options_.loss.divergence_weight > 0
          ? kernels::fused_token_divergence(predicted.student, predicted.teacher, options_.loss.divergence, ones)
          : cross_entropy(predicted.student, predicted.tokens, ones, 1);
  return sequence_means(terms.token_losses, sequences, options_.loss);
}

torch::Tensor LanguageLearner::backward(const PredictedTokens& predicted, std::span<const Sequence> sequences,
                                        const torch::Tensor& weights, double total) {
  const LanguageLossOptions& options = options_.loss;
  torch::Tensor loss, shown;
  const auto add = [&](const kernels::FusedTokenDivergence& term, double weight) {
    const torch::Tensor weighted = term.loss * weight;
    loss = loss.defined() ? loss + weighted : weighted;
    if (!shown.defined()) shown = term.token_losses;
  };
  if (options.divergence_weight > 0) {
    add(kernels::fused_token_divergence(predicted.student, predicted.teacher, options.divergence, weights,
                                        {.normaliser = total}),
        options.divergence_weight);
  }
  if (options.cross_entropy > 0) {
    add(cross_entropy(predicted.student, predicted.tokens, weights, total), options.cross_entropy);
  }
  if (options.advantage) {
    const torch::Tensor policy = policy_weights(predicted, sequences, options.advantage->method) * weights;
    add(cross_entropy(predicted.student, predicted.tokens, policy, total), options.advantage->weight);
  }
  loss.backward();
  return shown;
}

std::vector<double> LanguageLearner::divergences(std::span<const Sequence> sequences) const {
  const torch::NoGradGuard no_grad;
  std::vector<double> divergences;
  for (std::size_t begin = 0; begin < sequences.size(); begin += static_cast<std::size_t>(options_.micro_batch)) {
    const auto part = sequences.subspan(begin, std::min<std::size_t>(sequences.size() - begin, options_.micro_batch));
    const PredictedTokens predicted = forward(part);
    const auto terms = kernels::fused_token_divergence(predicted.student, predicted.teacher, {});
    const torch::Tensor means = sequence_means(terms.token_losses, part, options_.loss).to(torch::kCPU, torch::kDouble);
    divergences.insert(divergences.end(), means.const_data_ptr<double>(),
                       means.const_data_ptr<double>() + means.size(0));
  }
  return divergences;
}

void LanguageLearner::save(StateWriter writer) const {
  for (std::size_t i = 0; i < student_.trainable().size(); ++i)
    writer.tensor("trainable." + std::to_string(i), student_.trainable()[i]);
  optimizer_.save(writer.part("optimizer"));
  writer.integer("steps", steps_);
  if (teacher_) teacher_->save(writer.part("teacher"));
}

void LanguageLearner::load(const StateReader& reader) {
  const torch::NoGradGuard no_grad;
  for (std::size_t i = 0; i < student_.trainable().size(); ++i)
    reader.copy_into("trainable." + std::to_string(i), student_.trainable()[i]);
  optimizer_.load(reader.part("optimizer"));
  steps_ = reader.integer("steps");
  if (teacher_) teacher_->load(reader.part("teacher"));
}

}  // namespace drystill::distiller
