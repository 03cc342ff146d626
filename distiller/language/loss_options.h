#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "core/fields.h"
#include "kernels/options.h"

namespace drystill::distiller {

// What a token's loss is averaged over.
enum class Aggregation { kTokenMean, kSequenceMean, kConstantLength };
constexpr auto enum_names(Aggregation) {
  return std::to_array<std::string_view>({"token_mean", "sequence_mean", "constant_length"});
}

// The sampled reverse-KL advantage (kernels/sampled_advantage.h) in place of, or beside, the divergence.
struct AdvantageOptions {
  double weight = 1;
  kernels::SampledAdvantageOptions method;

  template <class Field>
  void visit(Field&& field) {
    field("weight", weight, "of this term", at_least(0));
    method.visit(field);
  }
  bool operator==(const AdvantageOptions&) const = default;
};

// A layer of the teacher and the one of the student that is to be like it. 0 is the embeddings, i the output of the
// i-th layer.
struct LayerPair {
  std::int64_t teacher = 0;
  std::int64_t student = 0;

  template <class Field>
  void visit(Field&& field) {
    field("teacher", teacher, "layer of the teacher, from 1; 0: its embeddings", at_least(0));
    field("student", student, "layer of the student, from 1; 0: its embeddings", at_least(0));
  }
  bool operator==(const LayerPair&) const = default;
};

// DeepInversion's term (arXiv 1912.08795) on hidden states: per pair of layers, || variance_T - variance_S ||_2 +
// || mean_T - mean_S ||_2 of every hidden unit over the tokens that have a loss (kernels/batch_statistics.h), the mean
// of the pairs.
struct HiddenStatisticsOptions {
  double weight = 1;
  std::vector<LayerPair> layers;

  template <class Field>
  void visit(Field&& field) {
    field("weight", weight, "of this term", at_least(0));
    field("layers", layers, "pairs of layers; left out: every layer of the student, evenly spread over the teacher's");
  }
  bool operator==(const HiddenStatisticsOptions&) const = default;
};

// Hidden states themselves: per pair of layers the mean over tokens of || t - s ||^2 / || t ||^2, the mean of the
// pairs. TinyBERT's term (arXiv 1909.10351, eq. 8), which Minitron (arXiv 2407.14679, section 4) uses to heal language
// models that lost layers; relative to the teacher's length, because a text's first token has a state hundreds of times
// as long.
struct HiddenStatesOptions {
  double weight = 1;
  std::vector<LayerPair> layers;

  template <class Field>
  void visit(Field&& field) {
    field("weight", weight, "of this term", at_least(0));
    field("layers", layers,
          "pairs of layers; left out: what the next layer reads, where the student has the teacher's `student.layers`, "
          "else every layer of the student, evenly spread over the teacher's");
  }
  bool operator==(const HiddenStatesOptions&) const = default;
};

// Which tokens of two tokenizers are compared.
enum class TokenAlignment {
  kText,      // those behind the same text: both have read the same bytes of the completion
  kPosition,  // the first of one with the first of the other, and so on
};
constexpr auto enum_names(TokenAlignment) {
  return std::to_array<std::string_view>({"text", "position"});
}

// Universal logit distillation (arXiv 2402.12030; kernels/universal_logit.h), for vocabularies that have nothing in
// common.
struct UniversalLogitOptions {
  double weight = 1;
  double temperature = 1;
  TokenAlignment alignment = TokenAlignment::kText;

  template <class Field>
  void visit(Field&& field) {
    field("weight", weight, "of this term", at_least(0));
    field("temperature", temperature, "divides both logits", positive());
    field("alignment", alignment,
          "where the tokenizers differ, the tokens compared: those behind the same text (as TRL's GOLD aligns), or of "
          "the same position (the paper)");
  }
  bool operator==(const UniversalLogitOptions&) const = default;
};

// What the student minimises on the tokens of a completion: a weighted sum of terms.
struct LanguageLossOptions {
  double divergence_weight = 1;
  kernels::TokenDivergenceOptions divergence;
  double importance_clip = 0;
  double cross_entropy = 0;
  std::optional<AdvantageOptions> advantage;
  std::optional<HiddenStatisticsOptions> hidden_statistics;
  std::optional<HiddenStatesOptions> hidden_states;
  std::optional<UniversalLogitOptions> universal_logit;
  Aggregation aggregation = Aggregation::kTokenMean;
  std::int64_t skip_first = 0;

  template <class Field>
  void visit(Field&& field) {
    field("divergence_weight", divergence_weight, "weight of the divergence; 0: not computed", at_least(0));
    field("divergence", divergence, "between teacher and student at every token");
    field("importance_clip", importance_clip,
          "the divergence of a token is multiplied by p_student / p_author of it, at most this (SDPO, SDFT): for draws "
          "of several steps; 0: not multiplied",
          at_least(0));
    field("cross_entropy", cross_entropy, "weight of -log p_student of the completion's own tokens", at_least(0));
    field("advantage", advantage, "sampled reverse-KL advantage, for completions that the student wrote");
    field("hidden_statistics", hidden_statistics,
          "mean and variance of hidden states, as the teacher's layers have them");
    field("hidden_states", hidden_states, "distance of hidden states to those of the teacher's layers");
    field("universal_logit", universal_logit,
          "distance of sorted probabilities, for teachers with another vocabulary; the divergence's weight is then 0");
    field("aggregation", aggregation, "what a token's loss is averaged over, always for the whole optimizer batch");
    field("skip_first", skip_first, "tokens at the begin of a completion without a loss", at_least(0));
  }
  // Whether a term needs the teacher itself: its likeliest words, from a file or a bank, are not enough.
  bool needs_teacher() const { return advantage || hidden_statistics || hidden_states || universal_logit; }
  // Whether a term compares with what a teacher says.
  bool compares() const { return divergence_weight > 0 || needs_teacher(); }
  std::vector<Problem> problems() const {
    const bool something = divergence_weight > 0 || cross_entropy > 0 || (advantage && advantage->weight > 0) ||
                           (universal_logit && universal_logit->weight > 0);
    if (something) return {};
    return {{"divergence_weight", "is 0, and so is every other term of a token: nothing would be learned"}};
  }
  bool operator==(const LanguageLossOptions&) const = default;
};

}  // namespace drystill::distiller
