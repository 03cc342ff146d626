#include "distiller/language/teacher.h"

#include "core/error.h"

namespace drystill::distiller {
namespace {

class Fixed final : public LanguageTeacher {
 public:
  explicit Fixed(std::shared_ptr<language::CausalLm> model) : model_(std::move(model)) { model_->freeze(); }
  const language::CausalLm& model() const override { return *model_; }

 private:
  std::shared_ptr<language::CausalLm> model_;
};

class Live final : public LanguageTeacher {
 public:
  explicit Live(std::shared_ptr<const language::CausalLm> student) : student_(std::move(student)) {}
  const language::CausalLm& model() const override { return *student_; }

 private:
  std::shared_ptr<const language::CausalLm> student_;
};

class Ema final : public LanguageTeacher {
 public:
  Ema(const EmaTeacher& options, std::shared_ptr<const language::CausalLm> student)
      : options_(options), student_(std::move(student)), average_(student_->copy()) {
    average_->freeze();
  }
  const language::CausalLm& model() const override { return *average_; }

  void after_step(std::int64_t step) override {
    if (step % options_.every != 0) return;
    const torch::NoGradGuard no_grad;
    const auto from = student_->parameters(), to = average_->parameters();
    for (std::size_t i = 0; i < to.size(); ++i) to[i].lerp_(from[i].to(to[i].scalar_type()), options_.rate);
  }
  void save(StateWriter writer) const override { writer.module("average", *average_); }
  void load(const StateReader& reader) override { reader.module("average", *average_); }

 private:
  EmaTeacher options_;
  std::shared_ptr<const language::CausalLm> student_;
  std::shared_ptr<language::CausalLm> average_;
};

}  // namespace

std::unique_ptr<LanguageTeacher> make_language_teacher(const TeacherWeights& weights,
                                                       std::shared_ptr<language::CausalLm> loaded,
                                                       std::shared_ptr<const language::CausalLm> student) {
  if (std::holds_alternative<FrozenTeacher>(weights)) return std::make_unique<Fixed>(std::move(loaded));
  if (std::holds_alternative<InitialTeacher>(weights)) return std::make_unique<Fixed>(student->copy());
  if (std::holds_alternative<LiveTeacher>(weights)) return std::make_unique<Live>(std::move(student));
  return std::make_unique<Ema>(std::get<EmaTeacher>(weights), std::move(student));
}

}  // namespace drystill::distiller
