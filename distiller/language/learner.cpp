#include "distiller/language/learner.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/gradient_norm.h"
#include "curriculum/sample_weights.h"
#include "distiller/language/aggregation.h"
#include "distiller/language/loss_terms.h"
#include "distiller/language/packing.h"
#include "distiller/language/run_models.h"
#include "distiller/learning_rate.h"

namespace drystill::distiller {
namespace {

using Part = std::span<const Sequence>;

// `count` neighbours at a time, the last ones fewer.
template <class Element>
std::vector<std::span<Element>> parts_of(std::span<Element> all, std::int64_t count) {
  const auto step = static_cast<std::size_t>(count);
  std::vector<std::span<Element>> parts;
  for (std::size_t begin = 0; begin < all.size(); begin += step) {
    parts.push_back(all.subspan(begin, std::min(all.size() - begin, step)));
  }
  return parts;
}

// The same with the pairs of layers that stand for the default; and that the teacher is of a kind that the terms can
// use.
LanguageLearnerOptions with_layers(LanguageLearnerOptions options, const LanguageStudent& student,
                                   const LanguageTeacher* teacher) {
  LanguageLossOptions& loss = options.loss;
  const auto count = teacher == nullptr ? 0 : teacher->models().models.size();
  const bool one_head = count == 1 || (count > 1 && teacher->models().mean == language::MixtureMean::kLogProbabilities);
  if (loss.universal_logit && !one_head) {
    throw ConfigError(
        "loss.universal_logit: needs one model as the teacher, or an ensemble with `mean: log_probabilities`");
  }
  const auto complete = [&](const std::string& key, std::vector<LayerPair>& layers) {
    if (count != 1) {
      throw ConfigError(key + ": needs a teacher that is one model, which ensemble, trust_region and cached are not");
    }
    layers =
        layer_pairs(key, std::move(layers), teacher->models().models.front()->options(), student.model()->options());
  };
  if (loss.hidden_statistics) complete("loss.hidden_statistics", loss.hidden_statistics->layers);
  if (loss.hidden_states) complete("loss.hidden_states", loss.hidden_states->layers);
  return options;
}

std::size_t statistics_pairs(const LanguageLossOptions& loss) {
  return loss.hidden_statistics ? loss.hidden_statistics->layers.size() : 0;
}

// Those of hidden_statistics, then those of hidden_states.
std::vector<LayerPair> layers_to_match(const LanguageLossOptions& loss) {
  std::vector<LayerPair> layers;
  if (loss.hidden_statistics) layers = loss.hidden_statistics->layers;
  if (loss.hidden_states) std::ranges::copy(loss.hidden_states->layers, std::back_inserter(layers));
  return layers;
}

}  // namespace

LanguageLearnerOptions learner_options(const DistillLanguageModel& options, const RunModels& models) {
  LanguageLossOptions loss = options.loss;
  const bool pruned = options.student.from == "teacher" && !options.student.layers.empty() && !models.teachers.empty();
  if (loss.hidden_states && loss.hidden_states->layers.empty() && pruned) {
    loss.hidden_states->layers =
        pairs_of_kept_layers(options.student.layers, models.teachers.front()->options().layers);
  }
  return {.loss = std::move(loss),
          .optimizer = options.optimizer,
          .schedule = options.schedule,
          .total_steps = options.run.loop.total_steps(),
          .micro_batch = options.micro_batch,
          .longest = options.longest,
          .clip_gradient = options.clip_gradient,
          .plain_text = options.plain_text,
          .shared_vocabulary = models.shared_vocabulary};
}

LanguageLearner::LanguageLearner(const LanguageLearnerOptions& options, const LanguageStudent& student,
                                 std::unique_ptr<LanguageTeacher> teacher, torch::Device device)
    : options_(with_layers(options, student, teacher.get())),
      student_(student),
      teacher_(std::move(teacher)),
      predictor_({.layers = layers_to_match(options_.loss),
                  .shared_vocabulary = options.shared_vocabulary,
                  .cached_words = options.cached_words},
                 student, teacher_.get(), device),
      device_(device),
      optimizer_(student.trainable(), options.optimizer) {}

StepReport LanguageLearner::step(const Batch& batch, const curriculum::StagePlan& plan) {
  const Part all(batch.sequences);
  const double total = normaliser(all, options_.loss, options_.longest);
  StepReport report;
  if (total == 0) {  // every token is masked: nothing to learn, and nothing to divide by
    report.loss = at::zeros({});
    report.sample_losses = report.sample_weights = at::zeros({std::ssize(all)});
    if (batch.plain_text.empty()) return report;
  }
  optimizer_.set_learning_rate(optimizer_.peak_learning_rate() *
                               learning_rate_factor(options_.schedule, plan.step, options_.total_steps));
  optimizer_.zero_grad();
  if (total > 0) report = learn(all, total, plan);
  if (!batch.plain_text.empty()) report.plain_text_loss = learn_plain_text(batch.plain_text);
  std::vector<torch::Tensor> gradients;
  for (const torch::Tensor& parameter : student_.trainable()) gradients.push_back(parameter.grad());
  clip_gradient_norm(gradients, options_.clip_gradient);
  optimizer_.step();
  ++steps_;
  if (teacher_) teacher_->after_step(steps_);
  if (on_step_) on_step_();
  return report;
}

StepReport LanguageLearner::learn(Part all, double total, const curriculum::StagePlan& plan) {
  const TeacherTokens nobody;  // where no term compares the teacher need not be asked
  const std::vector<Part> parts = parts_of(all, options_.micro_batch);
  const std::vector<Policy> policies = whitened(parts);
  std::vector<torch::Tensor> losses, weights;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const Part part = parts[i];
    const Policy policy = policies.empty() ? Policy{} : policies[i];
    const TeacherTokens* known = options_.loss.compares() ? nullptr : &nobody;
    if (!policies.empty()) known = &policy.teacher;
    const PredictedTokens predicted = predictor_.predict(part, known);
    const torch::Tensor plain_weights = token_weights(part, options_.loss).to(device_);
    torch::Tensor paced = at::ones({std::ssize(part)}, plain_weights.options()), known_losses;
    if (plan.pacing != curriculum::Pacing::kNone) {
      const torch::NoGradGuard no_grad;  // the weights must be known before the gradient is
      known_losses = main_losses(predicted, part);
      paced = curriculum::sample_weights(known_losses, plan.easy_threshold, plan.pacing);
    }
    const torch::Tensor token_losses =
        backward(predicted, part, plain_weights * spread(paced, part), total, policy.advantages);
    losses.push_back(known_losses.defined() ? known_losses : sequence_means(token_losses, part, options_.loss));
    weights.push_back(paced);
  }
  StepReport report;
  report.sample_losses = at::cat(losses);
  report.sample_weights = at::cat(weights);
  report.loss = report.sample_losses.mean();
  return report;
}

torch::Tensor LanguageLearner::learn_plain_text(Part all) {
  const PlainTextOptions& options = *options_.plain_text;
  const LanguageLossOptions of_tokens;  // a mean over them
  const double total = normaliser(all, of_tokens, options_.longest);
  const TeacherTokens nobody;
  torch::Tensor shown = at::zeros({}, torch::kFloat32);
  for (const Part part : parts_of(all, options_.micro_batch)) {
    const PredictedTokens predicted = predictor_.predict(part, options.teacher_share > 0 ? nullptr : &nobody);
    const torch::Tensor weights = token_weights(part, of_tokens).to(device_);
    torch::Tensor loss =
        cross_entropy(predicted.student, predicted.tokens, weights, total).loss * (1 - options.teacher_share);
    if (options.teacher_share > 0) {
      loss = loss + divergence(predicted, of_tokens.divergence, weights, total).loss * options.teacher_share;
    }
    (loss * options.weight).backward();
    shown += loss.detach().to(torch::kCPU);
  }
  return shown;
}

// An advantage that is whitened over the batch must be known of all micro-batches before the first gradient. What the
// teacher was asked for it is kept: its hidden states, not its logits.
std::vector<LanguageLearner::Policy> LanguageLearner::whitened(const std::vector<Part>& parts) const {
  const auto& options = options_.loss.advantage;
  if (!options || !options->method.whiten || parts.size() < 2) return {};
  const torch::NoGradGuard no_grad;
  std::vector<Policy> policies;
  std::vector<torch::Tensor> samplers, authors, teachers;
  for (const Part part : parts) {
    Policy& policy = policies.emplace_back();
    policy.teacher = predictor_.ask_teacher(part);
    torch::Tensor own;
    if (!know_sampler(part)) {
      const PredictedTokens predicted = predictor_.predict(part, &policy.teacher);
      own = token_log_probs({.heads = {predicted.student}, .shares = {1}}, predicted.tokens);
    }
    samplers.push_back(sampler_log_probs(part, own));
    authors.push_back(author_log_probs(part, own));
    teachers.push_back(token_log_probs(policy.teacher.head, completion_tokens(part, device_)));
  }
  const Part all(parts.front().data(), parts.back().data() + parts.back().size());
  const torch::Tensor known = advantages(at::cat(samplers), at::cat(authors), at::cat(teachers), all, options->method);
  std::int64_t begin = 0;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    policies[i].advantages = known.narrow(0, begin, teachers[i].size(0));
    begin += teachers[i].size(0);
  }
  return policies;
}

torch::Tensor LanguageLearner::main_losses(const PredictedTokens& predicted, Part sequences) const {
  const torch::Tensor ones = at::ones_like(predicted.tokens, torch::kFloat32);
  const auto& options = options_.loss;
  const auto terms = options.divergence_weight > 0 ? divergence(predicted, options.divergence, ones, 1)
                     : options.universal_logit     ? universal_logit(predicted, *options.universal_logit, ones, 1)
                                                   : cross_entropy(predicted.student, predicted.tokens, ones, 1);
  return sequence_means(terms.token_losses, sequences, options);
}

torch::Tensor LanguageLearner::policy_of(const PredictedTokens& predicted, Part sequences,
                                         torch::Tensor known_advantages) const {
  const auto& method = options_.loss.advantage->method;
  const torch::Tensor student = token_log_probs({.heads = {predicted.student}, .shares = {1}}, predicted.tokens);
  const torch::Tensor sampler = sampler_log_probs(sequences, student);
  if (!known_advantages.defined()) {
    known_advantages = advantages(sampler, author_log_probs(sequences, student),
                                  token_log_probs(predicted.teacher.head, predicted.tokens), sequences, method);
  }
  return policy_weights(student, sampler, known_advantages, sequences, method);
}

torch::Tensor LanguageLearner::divergence_weights(const PredictedTokens& predicted, Part sequences,
                                                  const torch::Tensor& weights) const {
  if (options_.loss.importance_clip == 0) return weights;
  const torch::Tensor student = token_log_probs({.heads = {predicted.student}, .shares = {1}}, predicted.tokens);
  return weights * clipped_importance(student, sequences, options_.loss.importance_clip);
}

torch::Tensor LanguageLearner::backward(const PredictedTokens& predicted, Part sequences, const torch::Tensor& weights,
                                        double total, const torch::Tensor& known_advantages) {
  const LanguageLossOptions& options = options_.loss;
  torch::Tensor loss, shown;
  const auto add = [&](const kernels::FusedTokenDivergence& term, double weight) {
    const torch::Tensor weighted = term.loss * weight;
    loss = loss.defined() ? loss + weighted : weighted;
    if (!shown.defined()) shown = term.token_losses;
  };
  if (options.divergence_weight > 0) {
    add(divergence(predicted, options.divergence, divergence_weights(predicted, sequences, weights), total),
        options.divergence_weight);
  }
  if (options.universal_logit) {
    add(universal_logit(predicted, *options.universal_logit, weights, total), options.universal_logit->weight);
  }
  if (options.cross_entropy > 0) {
    add(cross_entropy(predicted.student, predicted.tokens, weights, total), options.cross_entropy);
  }
  if (options.advantage) {
    const torch::Tensor policy = policy_of(predicted, sequences, known_advantages) * weights;
    add(cross_entropy(predicted.student, predicted.tokens, policy, total), options.advantage->weight);
  }
  const std::span<const torch::Tensor> student(predicted.student_states), teacher(predicted.teacher.states);
  const std::size_t statistics = statistics_pairs(options);
  if (options.hidden_states) {
    loss = loss + hidden_states(student.subspan(statistics), teacher.subspan(statistics), weights, total) *
                      options.hidden_states->weight;
  }
  if (options.hidden_statistics) {
    const torch::Tensor distance = hidden_statistics(student.first(statistics), teacher.first(statistics),
                                                     !predicted.teacher_places.defined(), weights);
    // A micro-batch counts by the tokens that it has of the batch.
    if (distance.defined()) loss = loss + distance * (weights.sum() / total) * options.hidden_statistics->weight;
  }
  loss.backward();
  return shown;
}

std::vector<double> LanguageLearner::divergences(Part sequences) const {
  const torch::NoGradGuard no_grad;
  std::vector<double> divergences;
  for (const Part part : parts_of(sequences, options_.micro_batch)) {
    const PredictedTokens predicted = predictor_.predict(part);
    const torch::Tensor ones = at::ones_like(predicted.tokens, torch::kFloat32);
    const auto terms =
        options_.shared_vocabulary ? divergence(predicted, {}, ones, 1) : universal_logit(predicted, {}, ones, 1);
    const torch::Tensor means = sequence_means(terms.token_losses, part, options_.loss).to(torch::kCPU, torch::kDouble);
    divergences.insert(divergences.end(), means.const_data_ptr<double>(),
                       means.const_data_ptr<double>() + means.size(0));
  }
  return divergences;
}

void LanguageLearner::remember(std::span<Sequence> sequences, std::int64_t k) const {
  for (const auto part : parts_of(sequences, options_.micro_batch)) predictor_.remember(part, k);
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
