#include "distiller/language/evaluator.h"

#include <ATen/ops/ones.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "distiller/language/loss_terms.h"

namespace drystill::distiller {
namespace {

constexpr std::int64_t kRows = 8;  // windows at once

}  // namespace

Metrics TextEvaluation::metrics() const {
  if (!comparison) return {{"perplexity", perplexity}};
  return {{"kl", comparison->kl},
          {"agreement", comparison->agreement},
          {"perplexity", perplexity},
          {"teacher_perplexity", comparison->teacher_perplexity}};
}

TextEvaluator::TextEvaluator(const LanguageEvaluationOptions& options, const std::vector<std::string>& texts,
                             const language::Tokenizer& tokenizer) {
  std::vector<std::int64_t> tokens;
  for (const std::string& text : texts) {
    const auto more = tokenizer.encode(text);
    tokens.insert(tokens.end(), more.begin(), more.end());
  }
  const std::int64_t total = std::ssize(tokens);
  if (total < options.window) {
    throw InputError("the held-out texts have " + std::to_string(total) + " tokens, fewer than one window of " +
                     std::to_string(options.window));
  }
  const std::int64_t count = std::min(options.windows, total / options.window);
  const torch::Tensor all = at::tensor(tokens, torch::kInt64);
  std::vector<torch::Tensor> windows;
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t begin = count == 1 ? 0 : (total - options.window) * i / (count - 1);
    windows.push_back(all.narrow(0, begin, options.window));
  }
  windows_ = at::stack(windows);
}

TextEvaluation TextEvaluator::evaluate(const LanguageStudent& student, const language::ModelMixture* teacher) const {
  const torch::NoGradGuard no_grad;
  const torch::Device device = student.output_weight().device();
  std::int64_t words = student.output_weight().size(0);
  if (teacher != nullptr) {
    for (const auto* model : teacher->models) words = std::min(words, model->output_weight().size(0));
  }
  double kl = 0, student_loss = 0, teacher_loss = 0, agreements = 0;
  std::int64_t total = 0;
  for (std::int64_t begin = 0; begin < windows_.size(0); begin += kRows) {
    const torch::Tensor ids = windows_.narrow(0, begin, std::min(kRows, windows_.size(0) - begin)).to(device);
    const std::int64_t length = ids.size(1) - 1;
    const language::TokenBatch batch{.ids = ids.narrow(1, 0, length), .mask = {}, .positions = {}};
    const torch::Tensor targets = ids.narrow(1, 1, length).reshape({-1});
    const auto head = [&](const auto& model) {
      const torch::Tensor hidden = model.hidden(batch);
      return kernels::HeadInput{.hidden = hidden.reshape({-1, hidden.size(-1)}),
                                .weight = model.output_weight().narrow(0, 0, words)};
    };
    const auto student_head = head(student);
    const torch::Tensor ones = at::ones({targets.size(0)}, targets.options().dtype(torch::kFloat32));
    student_loss += cross_entropy(student_head, targets, ones, 1).loss.item<double>();
    total += targets.size(0);
    if (teacher == nullptr) continue;
    kernels::HeadMixture teacher_head{.heads = {}, .shares = teacher->shares};
    for (const auto* model : teacher->models) teacher_head.heads.push_back(head(*model));
    if (teacher->mean == language::MixtureMean::kLogProbabilities) {
      teacher_head = {.heads = {kernels::mean_logits_head(teacher_head)}, .shares = {1}};
    }
    const auto terms = kernels::fused_token_divergence(student_head, teacher_head, {}, ones, {.metrics = true});
    kl += terms.token_kl.sum().item<double>();
    agreements += terms.agreements.item<double>();
    teacher_loss -= token_log_probs(teacher_head, targets).sum().item<double>();
  }
  const auto count = static_cast<double>(total);
  TextEvaluation result{.perplexity = std::exp(student_loss / count), .tokens = total, .comparison = {}};
  if (teacher != nullptr) {
    result.comparison = {
        .kl = kl / count, .agreement = agreements / count, .teacher_perplexity = std::exp(teacher_loss / count)};
  }
  return result;
}

LanguageEvaluator::LanguageEvaluator(const LanguageEvaluationOptions& options, const generator::TextOpener& open_texts,
                                     const language::View& view, const language::PromptEncoder& encoder) {
  if (!options.texts.empty()) texts_.emplace(options, open_texts(options.texts), encoder.tokenizer());
  for (const AnswerEvaluationOptions& set : options.answers) {
    answers_.emplace_back(set, open_texts({set.path}), view, encoder);
  }
}

LanguageEvaluation LanguageEvaluator::evaluate(const LanguageStudent& student, const language::ModelMixture* teacher,
                                               generator::Actor& writer) const {
  LanguageEvaluation result;
  if (texts_) {
    const TextEvaluation text = texts_->evaluate(student, teacher);
    result = {.metrics = text.metrics(), .tokens = text.tokens};
  }
  for (const AnswerEvaluator& set : answers_) {
    result.metrics.emplace_back("answers_" + set.name(), set.accepted_share(writer));
  }
  return result;
}

}  // namespace drystill::distiller
