#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/fields.h"
#include "language/models/mixture_options.h"

namespace drystill::distiller {

// Which weights the teacher has while the student changes.

struct FrozenTeacher {
  static constexpr std::string_view kKey = "weights";
  static constexpr std::string_view kName = "frozen";

  template <class Field>
  void visit(Field&&) {}
  bool operator==(const FrozenTeacher&) const = default;
};

// The student as it was before the first step.
struct InitialTeacher {
  static constexpr std::string_view kKey = "weights";
  static constexpr std::string_view kName = "initial";

  template <class Field>
  void visit(Field&&) {}
  bool operator==(const InitialTeacher&) const = default;
};

// An exponential moving average of the student: w <- w + rate (student - w) after every `every`-th step.
struct EmaTeacher {
  static constexpr std::string_view kKey = "weights";
  static constexpr std::string_view kName = "ema";
  double rate = 0.05;
  std::int64_t every = 1;

  template <class Field>
  void visit(Field&& field) {
    field("rate", rate, "share of the student that every update takes over", between(0, 1));
    field("every", every, "steps between updates", at_least(1));
  }
  bool operator==(const EmaTeacher&) const = default;
};

// The student's own weights of this very step, without a gradient.
struct LiveTeacher {
  static constexpr std::string_view kKey = "weights";
  static constexpr std::string_view kName = "live";

  template <class Field>
  void visit(Field&&) {}
  bool operator==(const LiveTeacher&) const = default;
};

// Between the student's first weights and those of now, on logits: (1 - student_share) z_initial + student_share z_now
// (SDPO, arXiv 2601.20802: `TrustRegionTeacher` and `teacher_update_rate` of verl/workers/actor/dp_actor.py).
struct TrustRegionTeacher {
  static constexpr std::string_view kKey = "weights";
  static constexpr std::string_view kName = "trust_region";
  double student_share = 0.05;

  template <class Field>
  void visit(Field&& field) {
    field("student_share", student_share, "share of the student's logits of now; the rest is its initial weights'",
          between(0, 1));
  }
  bool operator==(const TrustRegionTeacher&) const = default;
};

struct EnsembleMember {
  std::string model;
  double share = 1;

  template <class Field>
  void visit(Field&& field) {
    field("model", model, "Hugging Face folder or .gguf", required());
    field("share", share, "its weight in the mean, relative to the others", positive());
  }
  bool operator==(const EnsembleMember&) const = default;
};

// The teacher's own model and others of its vocabulary as one. Hinton, Vinyals and Dean (arXiv 1503.02531, section 1)
// name both means; the arithmetic one is their first.
struct EnsembleTeacher {
  static constexpr std::string_view kKey = "weights";
  static constexpr std::string_view kName = "ensemble";
  std::vector<EnsembleMember> others;
  double share = 1;
  language::MixtureMean mean = language::MixtureMean::kProbabilities;

  template <class Field>
  void visit(Field&& field) {
    field("others", others, "the models beside the teacher's own", required());
    field("share", share, "weight of the teacher's own model in the mean", positive());
    field("mean", mean,
          "of the models' probabilities (at the divergence's temperature), or of their log_probabilities, normalised");
  }
  std::vector<Problem> problems() const {
    if (others.empty()) return {{"others", "must name a model: an ensemble of one is `frozen`"}};
    return {};
  }
  bool operator==(const EnsembleTeacher&) const = default;
};

// What a teacher said of its likeliest words, written by `drystill synthesize --logits`: no teacher is loaded, and the
// sequences are those of the file.
struct CachedTeacher {
  static constexpr std::string_view kKey = "weights";
  static constexpr std::string_view kName = "cached";
  std::string file;

  template <class Field>
  void visit(Field&& field) {
    field("file", file, "folder that `drystill synthesize --logits` wrote, or the one file in it", required());
  }
  bool operator==(const CachedTeacher&) const = default;
};

using TeacherWeights = std::variant<FrozenTeacher, InitialTeacher, EmaTeacher, LiveTeacher, TrustRegionTeacher,
                                    EnsembleTeacher, CachedTeacher>;

struct LanguageTeacherOptions {
  std::string model;
  TeacherWeights weights = FrozenTeacher{};

  template <class Field>
  void visit(Field&& field) {
    field(
        "model", model,
        "Hugging Face folder or .gguf; left out with initial, ema, live and trust_region: the student's; with cached: "
        "none");
    field("weights", weights, "which weights it has while the student changes");
  }
  std::vector<Problem> problems() const {
    const bool own = std::holds_alternative<FrozenTeacher>(weights) || std::holds_alternative<EnsembleTeacher>(weights);
    if (!model.empty() || !own) return {};
    return {{"model", "is missing; only the weights initial, ema, live, trust_region and cached go without"}};
  }
  bool operator==(const LanguageTeacherOptions&) const = default;
};

}  // namespace drystill::distiller
