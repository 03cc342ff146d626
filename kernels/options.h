#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "core/fields.h"

namespace drystill::kernels {

// How two rows of logits are compared. P = softmax(student / T), Q = softmax(teacher / T).
enum class DivergenceKind {
  kForwardKl,      // KL(Q || P): the student covers what the teacher believes (Hinton's soft targets)
  kReverseKl,      // KL(P || Q)
  kJensenShannon,  // the clamped form of the published code, see kernels/divergence.h
  kL1,             // mean over classes of |student - teacher|, on logits
  kMse,            // mean over classes of (student - teacher)^2, on logits
};

constexpr auto enum_names(DivergenceKind) {
  return std::to_array<std::string_view>({"kl", "reverse_kl", "js", "l1", "mse"});
}

struct DivergenceOptions {
  DivergenceKind kind = DivergenceKind::kForwardKl;
  double temperature = 1;
  bool scale_by_temperature_squared = true;

  template <class Field>
  void visit(Field&& field) {
    field("kind", kind, "how student and teacher logits are compared");
    field("temperature", temperature, "divides both logits in kl, reverse_kl and js; unused by l1 and mse", positive());
    field("scale_by_temperature_squared", scale_by_temperature_squared,
          "multiply kl and reverse_kl by temperature squared, so that gradients keep their size");
  }

  bool operator==(const DivergenceOptions&) const = default;
};

// How a student's next-token distribution p is compared with the teacher's q; formulas in kernels/token_divergence.h.
enum class TokenDivergenceKind {
  kForwardKl,       // KL(q || p)
  kReverseKl,       // KL(p || q)
  kJensenShannon,   // generalised, `beta` (GKD)
  kTotalVariation,  // half the L1 distance
  kCrossEntropy,    // -sum q log p: forward_kl without the teacher's entropy
};
constexpr auto enum_names(TokenDivergenceKind) {
  return std::to_array<std::string_view>(
      {"forward_kl", "reverse_kl", "jensen_shannon", "total_variation", "cross_entropy"});
}

// Which words of the vocabulary are compared.
enum class TokenSupport { kFull, kTeacherTopK, kStudentTopK, kUnionTopK };
constexpr auto enum_names(TokenSupport) {
  return std::to_array<std::string_view>({"full", "teacher_top_k", "student_top_k", "union_top_k"});
}

// What happens to the probability outside the support.
enum class TokenRemainder {
  kRenormalise,  // both distributions are scaled to sum to 1 on the support
  kTail,         // one further word holds all of it
  kDrop,         // it is left out; reverse_kl may then be negative
};
constexpr auto enum_names(TokenRemainder) {
  return std::to_array<std::string_view>({"renormalise", "tail", "drop"});
}

struct TokenDivergenceOptions {
  TokenDivergenceKind kind = TokenDivergenceKind::kForwardKl;
  double beta = 0.5;
  TokenSupport support = TokenSupport::kFull;
  std::int64_t k = 100;
  TokenRemainder remainder = TokenRemainder::kTail;
  double temperature = 1;
  bool scale_by_temperature_squared = false;
  double entry_clip = 0;
  double token_clip = 0;

  template <class Field>
  void visit(Field&& field) {
    field("kind", kind, "how student and teacher next-token distributions are compared");
    field(
        "beta", beta,
        "the teacher's share of the mixture in jensen_shannon; 0 is forward_kl and 1 reverse_kl, whose values are not "
        "the limits of those between",
        between(0, 1));
    field("support", support, "which words are compared: all, or the k likeliest of teacher, student or either");
    field("k", k, "words a support other than full takes from each side", at_least(1));
    field("remainder", remainder, "what becomes of the probability outside the support; unused by full");
    field("temperature", temperature, "divides both logits", positive());
    field("scale_by_temperature_squared", scale_by_temperature_squared,
          "multiply the loss by temperature squared, so that gradients keep their size");
    field("entry_clip", entry_clip, "upper limit of what one word adds to a token's loss; 0 for none", at_least(0));
    field("token_clip", token_clip, "upper limit of a token's loss, above which it has no gradient; 0 for none",
          at_least(0));
  }

  bool operator==(const TokenDivergenceOptions&) const = default;
};

// What is maximised on the student's own samples; kernels/sampled_advantage.h.
enum class PolicySurrogate {
  kImportanceSampling,  // ratio * advantage, the ratio cut at `importance_clip`
  kPpo,                 // the smaller of that and ratio cut to 1 +- ppo_clip, times advantage
  kScoreFunction,       // log-probability * advantage, weighted by the ratio as a constant
};
constexpr auto enum_names(PolicySurrogate) {
  return std::to_array<std::string_view>({"importance_sampling", "ppo", "score_function"});
}

struct SampledAdvantageOptions {
  double coefficient = 1;
  double discount = 0;
  bool normalise_by_length = false;
  double reward_clip = 0;
  bool whiten = false;
  PolicySurrogate surrogate = PolicySurrogate::kImportanceSampling;
  double importance_clip = 2;
  double ppo_clip = 0.2;

  template <class Field>
  void visit(Field&& field) {
    field("coefficient", coefficient, "multiplies the reward log teacher - log student of every token", at_least(0));
    field("discount", discount,
          "weight of later rewards in a token's advantage: 0 ignores them, 1 is the gradient of the sequence's reverse "
          "KL",
          between(0, 1));
    field("normalise_by_length", normalise_by_length, "divide an advantage by the tokens from there to the end");
    field("reward_clip", reward_clip, "largest absolute reward of a token; 0 for no limit", at_least(0));
    field("whiten", whiten, "shift and scale the advantages of a batch to mean 0 and variance 1");
    field("surrogate", surrogate, "what is maximised");
    field("importance_clip", importance_clip, "upper limit of the ratio student / sampler; 0 for none", at_least(0));
    field("ppo_clip", ppo_clip, "how far the ratio may leave 1 before ppo stops rewarding it", between(0, 1));
  }

  bool operator==(const SampledAdvantageOptions&) const = default;
};

}  // namespace drystill::kernels
