#include "distiller/language/predicted_tokens.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/topk.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "distiller/language/packing.h"

namespace drystill::distiller {
namespace {

// The first `words` rows.
torch::Tensor first_words(const torch::Tensor& weight, std::int64_t words) {
  return words < weight.size(0) ? weight.narrow(0, 0, words) : weight;
}

kernels::TeacherTopK known_top_k(std::span<const Sequence> sequences, torch::Device device) {
  const std::int64_t k = top_k_of(sequences.front());
  std::vector<torch::Tensor> ids, log_probabilities;
  for (const Sequence& sequence : sequences) {
    const std::int64_t length = std::ssize(sequence.completion);
    if (length == 0) continue;
    if (top_k_of(sequence) != k || std::ssize(sequence.top_log_probabilities) != length * k) return {};
    ids.push_back(at::tensor(sequence.top_ids, torch::kInt64).view({length, k}));
    log_probabilities.push_back(at::tensor(sequence.top_log_probabilities, torch::kFloat32).view({length, k}));
  }
  if (k == 0 || ids.empty()) return {};
  return {.ids = at::cat(ids).to(device), .log_probabilities = at::cat(log_probabilities).to(device)};
}

// Log-probabilities of some rows under all heads together.
torch::Tensor log_probs_of(const kernels::HeadMixture& mixture, std::int64_t begin, std::int64_t count) {
  std::vector<torch::Tensor> logits;
  for (const kernels::HeadInput& head : mixture.heads) {
    const torch::Tensor hidden = head.hidden.narrow(0, begin, count);
    logits.push_back(hidden.matmul(head.weight.to(hidden.scalar_type()).t()));
  }
  return language::mixed_logits(logits, {.models = {}, .shares = mixture.shares}).to(torch::kFloat32).log_softmax(1);
}

// Indices of all compared tokens, behind one another as the tokens of `sequences` are; undefined for one tokenizer.
torch::Tensor places_of(std::span<const Sequence> sequences, Side side, torch::Device device) {
  std::vector<std::int64_t> places;
  std::int64_t begin = 0;
  bool own = false;
  for (const Sequence& sequence : sequences) {
    own = own || !sequence.teacher_completion.empty();
    for (const std::int32_t place : side == Side::kStudent ? sequence.student_places : sequence.teacher_places) {
      places.push_back(begin + place);
    }
    begin += std::ssize(side == Side::kStudent ? sequence.completion : sequence.teacher_completion);
  }
  return own ? at::tensor(places, torch::kInt64).to(device) : torch::Tensor();
}

}  // namespace

TokenPredictor::TokenPredictor(const TokenPredictorOptions& options, const LanguageStudent& student,
                               const LanguageTeacher* teacher, torch::Device device)
    : options_(options), student_(student), teacher_(teacher), device_(device) {
  words_ = student.output_weight().size(0);
  teacher_words_ = options.cached_words > 0 ? options.cached_words : words_;
  if (teacher != nullptr) {
    const auto models = teacher->models().models;
    teacher_words_ = models.front()->output_weight().size(0);
    for (const auto* model : models) teacher_words_ = std::min(teacher_words_, model->output_weight().size(0));
  }
  if (options.shared_vocabulary) words_ = teacher_words_ = std::min(words_, teacher_words_);
}

TeacherTokens TokenPredictor::ask_teacher(std::span<const Sequence> sequences) const {
  const torch::NoGradGuard no_grad;
  const language::ModelMixture mixture = teacher_->models();
  TeacherTokens tokens;
  tokens.head.shares = mixture.shares;
  if (states_are_known(sequences) && options_.layers.empty() && mixture.models.size() == 1) {
    std::vector<torch::Tensor> states;
    for (const Sequence& sequence : sequences) states.push_back(sequence.teacher_states);
    const torch::Tensor weight = mixture.models.front()->output_weight().detach();
    tokens.head.heads.push_back({.hidden = at::cat(states).to(device_), .weight = first_words(weight, teacher_words_)});
    return tokens;
  }
  const PackedView view = pack(sequences, Side::kTeacher, device_);
  for (const language::CausalLm* model : mixture.models) {
    std::vector<torch::Tensor> states;
    const torch::Tensor hidden =
        model->hidden(view.tokens, {.layer_states = options_.layers.empty() ? nullptr : &states});
    const torch::Tensor weight = model->output_weight().detach();
    tokens.head.heads.push_back(
        {.hidden = predicting_states(hidden, view), .weight = first_words(weight, teacher_words_)});
    for (const LayerPair& pair : options_.layers) {
      tokens.states.push_back(predicting_states(states.at(static_cast<std::size_t>(pair.teacher)), view));
    }
  }
  if (mixture.mean == language::MixtureMean::kLogProbabilities) {
    tokens.head = {.heads = {kernels::mean_logits_head(tokens.head)}, .shares = {1}};
  }
  return tokens;
}

PredictedTokens TokenPredictor::predict(std::span<const Sequence> sequences, const TeacherTokens* teacher) const {
  const PackedView view = pack(sequences, Side::kStudent, device_);
  std::vector<torch::Tensor> states;
  const torch::Tensor hidden = student_.hidden(view.tokens, options_.layers.empty() ? nullptr : &states);
  PredictedTokens predicted{
      .student = {.hidden = predicting_states(hidden, view), .weight = first_words(student_.output_weight(), words_)},
      .teacher = {},
      .top_k = {},
      .tokens = completion_tokens(sequences, device_),
      .student_states = {},
      .student_places = places_of(sequences, Side::kStudent, device_),
      .teacher_places = places_of(sequences, Side::kTeacher, device_)};
  for (const LayerPair& pair : options_.layers) {
    predicted.student_states.push_back(predicting_states(states.at(static_cast<std::size_t>(pair.student)), view));
  }
  if (teacher != nullptr) {
    predicted.teacher = *teacher;
    return predicted;
  }
  if (!sequences.empty()) predicted.top_k = known_top_k(sequences, device_);
  if (!predicted.top_k.ids.defined() && teacher_ != nullptr) predicted.teacher = ask_teacher(sequences);
  return predicted;
}

void TokenPredictor::remember(std::span<Sequence> sequences, std::int64_t k) const {
  const torch::NoGradGuard no_grad;
  const TeacherTokens teacher = ask_teacher(sequences);
  k = std::min(k, words_);
  const std::int64_t rows = teacher.head.heads.front().hidden.size(0);
  std::vector<torch::Tensor> ids, log_probabilities;
  for (std::int64_t begin = 0; begin < rows; begin += options_.rows_at_once) {
    const std::int64_t count = std::min(options_.rows_at_once, rows - begin);
    const auto [values, indices] = at::topk(log_probs_of(teacher.head, begin, count), k, 1);
    ids.push_back(indices.to(torch::kCPU, torch::kInt32));
    log_probabilities.push_back(values.to(torch::kCPU));
  }
  if (ids.empty()) return;
  const torch::Tensor all_ids = at::cat(ids).contiguous(), all_values = at::cat(log_probabilities).contiguous();
  const auto* next_id = all_ids.const_data_ptr<std::int32_t>();
  const auto* next_value = all_values.const_data_ptr<float>();
  for (Sequence& sequence : sequences) {
    const std::int64_t count = std::ssize(sequence.completion) * k;
    sequence.top_ids.assign(next_id, next_id + count);
    sequence.top_log_probabilities.assign(next_value, next_value + count);
    next_id += count;
    next_value += count;
  }
}

std::vector<LayerPair> layer_pairs(const std::string& key, std::vector<LayerPair> named,
                                   const language::TransformerOptions& teacher,
                                   const language::TransformerOptions& student) {
  if (teacher.hidden_size != student.hidden_size) {
    throw ConfigError(key + ": the teacher's hidden size is " + std::to_string(teacher.hidden_size) +
                      ", the student's " + std::to_string(student.hidden_size) + "; their units cannot be compared");
  }
  if (named.empty()) {
    for (std::int64_t i = 1; i <= student.layers; ++i) {
      const double place = static_cast<double>(i * teacher.layers) / static_cast<double>(student.layers);
      named.push_back({.teacher = std::llround(place), .student = i});
    }
  }
  for (const LayerPair& pair : named) {
    const bool fits = pair.teacher <= teacher.layers && pair.student <= student.layers;
    if (!fits) {
      throw ConfigError(key + ".layers: there is no pair of layers " + std::to_string(pair.teacher) + " and " +
                        std::to_string(pair.student) + "; the teacher has " + std::to_string(teacher.layers) +
                        ", the student " + std::to_string(student.layers));
    }
  }
  return named;
}

std::vector<LayerPair> pairs_of_kept_layers(std::span<const std::int64_t> kept, std::int64_t teacher_layers) {
  std::vector<LayerPair> pairs;
  for (std::size_t i = 0; i < kept.size(); ++i) {
    pairs.push_back(
        {.teacher = i + 1 < kept.size() ? kept[i + 1] : teacher_layers, .student = static_cast<std::int64_t>(i) + 1});
  }
  return pairs;
}

}  // namespace drystill::distiller
