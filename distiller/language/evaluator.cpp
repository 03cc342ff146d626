#include "distiller/language/evaluator.h"

#include <ATen/core/Reduction.h>
#include <ATen/ops/kl_div.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"

namespace drystill::distiller {
namespace {

constexpr std::int64_t kRows = 8;      // windows at once
constexpr std::int64_t kTokens = 512;  // tokens whose logits exist at once

struct Sums {
  double kl = 0, agreements = 0, student_loss = 0, teacher_loss = 0;
  std::int64_t tokens = 0;
  bool compared = false;

  // student, teacher (or undefined): logits [M, V] of each, compared on the words that both know.
  void add(const torch::Tensor& targets, const torch::Tensor& student, const torch::Tensor& teacher) {
    const auto words = teacher.defined() ? std::min(student.size(1), teacher.size(1)) : student.size(1);
    const auto log_probs = [&](const torch::Tensor& logits) {
      return logits.narrow(1, 0, words).to(torch::kFloat32).log_softmax(1);
    };
    const auto loss = [&](const torch::Tensor& log_p) {
      return -log_p.gather(1, targets.unsqueeze(1)).sum(torch::kDouble).item<double>();
    };
    const torch::Tensor own = log_probs(student);
    student_loss += loss(own);
    tokens += targets.size(0);
    if (!teacher.defined()) return;
    compared = true;
    const torch::Tensor other = log_probs(teacher);
    teacher_loss += loss(other);
    kl += at::kl_div(own, other, at::Reduction::None, /*log_target=*/true).sum(1).sum(torch::kDouble).item<double>();
    agreements += (own.argmax(1) == other.argmax(1)).sum().item<double>();
  }

  TextEvaluation means() const {
    const auto count = static_cast<double>(tokens);
    TextEvaluation result{.perplexity = std::exp(student_loss / count), .tokens = tokens, .comparison = {}};
    if (compared) {
      result.comparison = {
          .kl = kl / count, .agreement = agreements / count, .teacher_perplexity = std::exp(teacher_loss / count)};
    }
    return result;
  }
};

// What each model's head reads -> [M, H] each.
std::vector<torch::Tensor> states_of(const language::ModelMixture& mixture, const language::TokenBatch& batch) {
  std::vector<torch::Tensor> states;
  for (const auto* model : mixture.models) states.push_back(model->hidden(batch).flatten(0, 1));
  return states;
}

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

TextEvaluation TextEvaluator::evaluate(const LanguageStudent& student, const EvaluationTeacher* teacher) {
  const torch::NoGradGuard no_grad;
  const torch::Device device = student.output_weight().device();
  Sums sums;
  for (std::int64_t begin = 0; begin < windows_.size(0); begin += kRows) {
    const torch::Tensor ids = windows_.narrow(0, begin, std::min(kRows, windows_.size(0) - begin)).to(device);
    const std::int64_t length = ids.size(1) - 1;
    const language::TokenBatch batch{.ids = ids.narrow(1, 0, length), .mask = {}, .positions = {}};
    const torch::Tensor targets = ids.narrow(1, 1, length).flatten();
    const torch::Tensor own_states = student.hidden(batch).flatten(0, 1);
    std::vector<torch::Tensor> states;
    if (teacher != nullptr) {
      const auto known = static_cast<std::size_t>(begin / kRows);
      states = known < known_teacher_.size() ? known_teacher_[known] : states_of(teacher->models, batch);
      if (teacher->stays && known == known_teacher_.size()) known_teacher_.push_back(states);
    }
    for (std::int64_t row = 0; row < targets.size(0); row += kTokens) {
      const auto some = [&](const torch::Tensor& all) { return all.slice(0, row, row + kTokens); };
      std::vector<torch::Tensor> logits;
      for (std::size_t i = 0; i < states.size(); ++i) {
        logits.push_back(teacher->models.models[i]->head(some(states[i])));
      }
      sums.add(some(targets), student.model()->head(some(own_states)),
               logits.empty() ? torch::Tensor{} : language::mixed_logits(logits, teacher->models));
    }
  }
  return sums.means();
}

LanguageEvaluator::LanguageEvaluator(const LanguageEvaluationOptions& options, const generator::TextOpener& open_texts,
                                     const language::View& view, const language::PromptEncoder& encoder,
                                     std::int64_t room) {
  if (!options.texts.empty()) texts_.emplace(options, open_texts(options.texts), encoder.tokenizer());
  for (const AnswerEvaluationOptions& set : options.answers) {
    answers_.emplace_back(set, open_texts({set.path}), view, encoder, room);
  }
}

LanguageEvaluation LanguageEvaluator::evaluate(const LanguageStudent& student, const EvaluationTeacher* teacher,
                                               generator::Actor& writer) {
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
