#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/fields.h"
#include "core/options.h"
#include "vision/augment_options.h"

namespace drystill::generator {

// Image generators of the field; generator/networks/ holds layers and sources.
enum class NetworkKind { kSmall, kLarge, kDcgan, kDafl };
constexpr auto enum_names(NetworkKind) {
  return std::to_array<std::string_view>({"small", "large", "dcgan", "dafl"});
}

// kDefault is PyTorch's own; kNormal is N(0, 0.02) for weights, N(1, 0.02) for batch-norm scales, 0 for biases (DCGAN).
enum class Initialisation { kDefault, kNormal };
constexpr auto enum_names(Initialisation) {
  return std::to_array<std::string_view>({"default", "normal"});
}

struct NetworkOptions {
  NetworkKind kind = NetworkKind::kLarge;
  std::int64_t latent_size = 256;
  std::int64_t width = 64;  // channels of the last hidden layer; the paper's networks use 64
  Initialisation initialisation = Initialisation::kDefault;

  template <class Field>
  void visit(Field&& field) {
    field("kind", kind, "network: small, large, dcgan (CuDFKD), dafl");
    field("latent_size", latent_size, "entries of the latent vector z", between(1, 65536));
    field("width", width, "channels of the last hidden layer", between(1, 4096));
    field("initialisation", initialisation, "default: PyTorch's; normal: N(0, 0.02) as in DCGAN and CuDFKD");
  }
  bool operator==(const NetworkOptions&) const = default;
};

// How teacher and student are made to disagree. kKl and kJs push the student's distribution away from the teacher's,
// kL1 its logits (DFAD).
enum class Adversary { kKl, kJs, kL1 };
constexpr auto enum_names(Adversary) {
  return std::to_array<std::string_view>({"kl", "js", "l1"});
}

// Weights of the generator's objective; a term of weight 0 is not computed. The adversarial weight is not here: the
// curriculum sets it.
struct ObjectiveOptions {
  Adversary adversary = Adversary::kKl;
  double adversarial_temperature = 3;
  bool only_where_they_agree = true;
  double one_hot = 1;
  double class_balance = 20;
  double class_balance_temperature = 1;
  double activation = 0;
  double batch_norm = 1;
  double total_variation = 0;

  template <class Field>
  void visit(Field&& field) {
    field("adversary", adversary, "divergence that the generator raises: kl, js (1 - JS), l1");
    field("adversarial_temperature", adversarial_temperature, "softmax temperature of that divergence", positive());
    field("only_where_they_agree", only_where_they_agree,
          "kl and l1: count only images on which both predict the same class (js counts all)");
    field("one_hot", one_hot, "weight of cross-entropy against the teacher's own prediction", at_least(0));
    field("class_balance", class_balance, "weight of the negative entropy of the batch's mean prediction", at_least(0));
    field("class_balance_temperature", class_balance_temperature, "softmax temperature of that mean", positive());
    field("activation", activation, "weight of minus the mean absolute teacher feature", at_least(0));
    field("batch_norm", batch_norm, "weight of the distance to the teacher's batch-norm statistics", at_least(0));
    field("total_variation", total_variation, "weight of the smoothness prior", at_least(0));
  }
  bool operator==(const ObjectiveOptions&) const = default;
};

// A generator network trained along with the student: DAFL, ZSKT, DFAD, DFQ and CuDFKD are points of these options.
struct GenerativeOptions {
  static constexpr std::string_view kKey = "method";
  static constexpr std::string_view kName = "generative";
  NetworkOptions network;
  ObjectiveOptions objective;
  OptimizerOptions optimizer = AdamOptions{};
  vision::AugmentOptions augment{.crop_padding = 0, .flip = false, .mixup = 0};
  std::int64_t warmup_steps = 0;
  bool sample_in_eval_mode = true;
  bool student_in_eval_mode = true;

  template <class Field>
  void visit(Field&& field) {
    field("network", network, "generator network");
    field("objective", objective, "what the generator minimises");
    field("optimizer", optimizer, "generator's optimizer");
    field("augment", augment,
          "changes to the images between the generator and both models in its step; gradients pass through them");
    field("warmup_steps", warmup_steps, "generator steps without the adversarial term before the first student step",
          at_least(0));
    field("sample_in_eval_mode", sample_in_eval_mode,
          "draw student batches with the generator's running batch-norm statistics (true) or the batch's own");
    field("student_in_eval_mode", student_in_eval_mode,
          "student's batch norm uses running statistics in the generator step");
  }
  bool operator==(const GenerativeOptions&) const = default;
};

// What pixels begin as: kNoise is uniform in [0, 1]; kShapes are overlapping shapes on black (generator/shapes.h).
enum class Start { kNoise, kShapes };
constexpr auto enum_names(Start) {
  return std::to_array<std::string_view>({"noise", "shapes"});
}

// What the teacher should see in an image: kClass is one class (DeepInversion), the classes in turn; kDirichlet is a
// soft target with the teacher's own similarities between classes (ZSKD, generator/soft_targets.h).
enum class TargetKind { kNone, kClass, kDirichlet };
constexpr auto enum_names(TargetKind) {
  return std::to_array<std::string_view>({"none", "class", "dirichlet"});
}

struct TargetOptions {
  TargetKind kind = TargetKind::kDirichlet;
  double weight = 1;
  double temperature = 20;

  template <class Field>
  void visit(Field&& field) {
    field("kind", kind, "what the teacher should see: none (the objective alone), class, dirichlet");
    field("weight", weight, "weight of the cross-entropy against it", at_least(0));
    field("temperature", temperature, "softmax temperature T of the teacher there; the term is T times cross-entropy",
          positive());
  }
  bool operator==(const TargetOptions&) const = default;
};

// No network: the pixels themselves are optimised, a batch at a time. DeepInversion and ZSKD are points of these
// options.
struct InversionOptions {
  static constexpr std::string_view kKey = "method";
  static constexpr std::string_view kName = "inversion";
  Start start = Start::kNoise;
  std::int64_t steps = 100;
  std::int64_t keep_every = 0;
  TargetOptions target;
  ObjectiveOptions objective{.one_hot = 0, .class_balance = 0};
  OptimizerOptions optimizer = AdamOptions{.learning_rate = 0.05};
  vision::AugmentOptions augment{.crop_padding = 0, .flip = false, .mixup = 0};
  bool student_in_eval_mode = true;

  template <class Field>
  void visit(Field&& field) {
    field("start", start, "what the pixels begin as: noise, or shapes (overlapping shapes on black)");
    field("steps", steps, "optimizer steps for a batch of images", at_least(1));
    field("keep_every", keep_every,
          "hand out the images on their way as well, every n-th step from the start; 0: only finished ones",
          at_least(0));
    field("target", target, "what the teacher should see in each image");
    field("objective", objective, "what the pixels minimise besides");
    field("optimizer", optimizer, "the pixels' optimizer, fresh for every batch");
    field("augment", augment,
          "changes to the images, drawn anew for every optimizer step, before both models see them; gradients pass "
          "through them");
    field("student_in_eval_mode", student_in_eval_mode,
          "student's batch norm uses running statistics while images are made");
  }
  std::vector<Problem> problems() const {
    if (augment.mixup > 0 && target.kind != TargetKind::kNone) {
      return {{"augment", "with mixup needs target.kind none: a blend of two images has neither's target"}};
    }
    return {};
  }
  bool operator==(const InversionOptions&) const = default;
};

using SynthesizerOptions = std::variant<GenerativeOptions, InversionOptions>;

}  // namespace drystill::generator
