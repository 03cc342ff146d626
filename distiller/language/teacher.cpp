#include "distiller/language/teacher.h"

#include <ATen/CPUGeneratorImpl.h>

#include "core/error.h"

namespace drystill::distiller {
namespace {

// The student's model as it is before the first step. Where training leaves its weights alone, an adapter's or a
// prefix's student, they need not be held twice.
std::shared_ptr<language::CausalLm> initial_model(const LanguageStudent& student) {
  return student.adapter() || student.prefix() ? student.model()->without_adapter() : student.model()->copy();
}

class Fixed final : public LanguageTeacher {
 public:
  explicit Fixed(std::shared_ptr<language::CausalLm> model) : model_(std::move(model)) { model_->freeze(); }
  language::ModelMixture models() const override { return language::alone(*model_); }

 private:
  std::shared_ptr<language::CausalLm> model_;
};

class Live final : public LanguageTeacher {
 public:
  explicit Live(std::shared_ptr<const language::CausalLm> student) : student_(std::move(student)) {}
  language::ModelMixture models() const override { return language::alone(*student_); }
  bool moves() const override { return true; }

 private:
  std::shared_ptr<const language::CausalLm> student_;
};

// Follows all weights, or, of a student with an adapter, is a second adapter over the same frozen weights (as TRL's
// SDFT does with PEFT).
class Ema final : public LanguageTeacher {
 public:
  Ema(const EmaTeacher& options, const LanguageStudent& student)
      : options_(options), average_(initial_model(student)), from_(student.trainable()) {
    average_->freeze();
    if (!student.adapter()) {
      to_ = average_->parameters();
      return;
    }
    adapter_ = std::make_unique<language::LoraAdapter>(average_, student.adapter()->options(),
                                                       at::detail::createCPUGenerator(0));
    to_ = adapter_->parameters();
    const torch::NoGradGuard no_grad;
    for (std::size_t i = 0; i < to_.size(); ++i) to_[i].copy_(from_[i]).requires_grad_(false);
  }

  language::ModelMixture models() const override { return language::alone(*average_); }
  bool moves() const override { return true; }

  void after_step(std::int64_t step) override {
    if (step % options_.every != 0) return;
    const torch::NoGradGuard no_grad;
    for (std::size_t i = 0; i < to_.size(); ++i) to_[i].lerp_(from_[i].to(to_[i].scalar_type()), options_.rate);
  }
  void save(StateWriter writer) const override { writer.module("average", followed()); }
  void load(const StateReader& reader) override { reader.module("average", followed()); }

 private:
  torch::nn::Module& followed() const {
    return adapter_ ? static_cast<torch::nn::Module&>(*adapter_) : static_cast<torch::nn::Module&>(*average_);
  }

  EmaTeacher options_;
  std::shared_ptr<language::CausalLm> average_;
  std::unique_ptr<language::LoraAdapter> adapter_;  // null: all of `average_` follows
  std::vector<torch::Tensor> from_, to_;            // the student's numbers, and those that follow them
};

class TrustRegion final : public LanguageTeacher {
 public:
  TrustRegion(const TrustRegionTeacher& options, const LanguageStudent& student)
      : share_(options.student_share), student_(student.model()), initial_(initial_model(student)) {
    initial_->freeze();
  }
  language::ModelMixture models() const override {
    if (share_ == 0) return language::alone(*initial_);
    if (share_ == 1) return language::alone(*student_);
    return {.models = {initial_.get(), student_.get()},
            .shares = {1 - share_, share_},
            .mean = language::MixtureMean::kLogProbabilities};
  }
  bool moves() const override { return share_ > 0; }

 private:
  double share_;
  std::shared_ptr<const language::CausalLm> student_;
  std::shared_ptr<language::CausalLm> initial_;
};

class Ensemble final : public LanguageTeacher {
 public:
  Ensemble(const EnsembleTeacher& options, std::vector<std::shared_ptr<language::CausalLm>> models)
      : options_(options), models_(std::move(models)) {
    for (const auto& model : models_) model->freeze();
  }
  language::ModelMixture models() const override {
    language::ModelMixture mixture{
        .models = {models_.front().get()}, .shares = {options_.share}, .mean = options_.mean};
    for (std::size_t i = 0; i < options_.others.size(); ++i) {
      mixture.models.push_back(models_.at(i + 1).get());
      mixture.shares.push_back(options_.others[i].share);
    }
    return mixture;
  }

 private:
  EnsembleTeacher options_;
  std::vector<std::shared_ptr<language::CausalLm>> models_;
};

void refuse_prefix(const LanguageStudent& student, std::string_view weights) {
  if (!student.prefix()) return;
  throw ConfigError("teacher.weights: '" + std::string(weights) +
                    "' follows the student's weights, which a kv_prefix never changes; use 'live' or 'initial'");
}

}  // namespace

std::unique_ptr<LanguageTeacher> make_language_teacher(const TeacherWeights& weights,
                                                       std::vector<std::shared_ptr<language::CausalLm>> loaded,
                                                       const LanguageStudent& student) {
  if (std::holds_alternative<CachedTeacher>(weights)) return nullptr;
  if (std::holds_alternative<FrozenTeacher>(weights)) return std::make_unique<Fixed>(std::move(loaded.at(0)));
  if (std::holds_alternative<InitialTeacher>(weights)) return std::make_unique<Fixed>(initial_model(student));
  if (std::holds_alternative<LiveTeacher>(weights)) return std::make_unique<Live>(student.model());
  if (const auto* ensemble = std::get_if<EnsembleTeacher>(&weights)) {
    return std::make_unique<Ensemble>(*ensemble, std::move(loaded));
  }
  if (const auto* trust_region = std::get_if<TrustRegionTeacher>(&weights)) {
    refuse_prefix(student, TrustRegionTeacher::kName);
    return std::make_unique<TrustRegion>(*trust_region, student);
  }
  refuse_prefix(student, EmaTeacher::kName);
  return std::make_unique<Ema>(std::get<EmaTeacher>(weights), student);
}

}  // namespace drystill::distiller
