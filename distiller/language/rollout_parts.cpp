#include "distiller/language/rollout_parts.h"

#include <algorithm>
#include <limits>

#include "core/error.h"
#include "generator/rollouts/mixture_actor.h"

namespace drystill::distiller {
namespace {

language::ModelMixture authors_of(const LanguageLearner& learner, const language::CausalLm& student) {
  if (learner.teacher() != nullptr) return learner.teacher()->models();
  return language::alone(student);
}

std::int64_t adversarial_length(const DistillLanguageModel& options) {
  return options.rollout.adversarial_prefix ? options.rollout.adversarial_prefix->length : 0;
}

// With two vocabularies nobody reads what another model wrote: it is translated.
std::int64_t readable_words(const RunModels& models, const language::ModelMixture& authors) {
  if (!models.shared_vocabulary) return std::numeric_limits<std::int64_t>::max();
  std::int64_t words = models.student->options().vocab_size;
  for (const language::CausalLm* author : authors.models) words = std::min(words, author->options().vocab_size);
  return words;
}

// Whether what the teacher's head writes each token from is all that will be asked of it. The bank keeps tokens only,
// and a micro-batch of which some must be asked is asked whole. With a verifier an item of a group changes after it was
// written behind (`sibling`), and so may what the teacher sees.
bool teachers_states_serve(const DistillLanguageModel& options, const RunModels& models) {
  const bool gets_siblings =
      options.rollout.group > 1 && !std::holds_alternative<generator::NoVerifier>(options.rollout.verifier);
  const curriculum::RolloutRampOptions whole;  // the window that keeps all asks nobody
  const bool asked = options.loss.compares() || options.ramps.window_low != whole.window_low ||
                     options.ramps.window_high != whole.window_high;
  return asked && options.rollout.learn_only.empty() && !gets_siblings &&
         options.rollout.author == generator::Author::kTeacher && !options.rollout.adversarial_prefix &&
         std::holds_alternative<FrozenTeacher>(options.teacher.weights) && models.shared_vocabulary &&
         options.replay.capacity == 0 && !options.loss.hidden_statistics && !options.loss.hidden_states;
}

}  // namespace

RolloutParts::RolloutParts(const DistillLanguageModel& options, const RunModels& models, const LanguageStudent& student,
                           const LanguageLearner& learner, const generator::TextOpener& open_texts, SeedStreams& seeds,
                           Progress& progress, bool learn_prompts)
    : teacher_encoder_(models.teacher_tokenizer),
      student_encoder_(models.student_tokenizer),
      teacher_view_(options.teacher_view, teacher_encoder_),
      student_view_(options.student_view, student_encoder_, models.shared_vocabulary ? nullptr : &teacher_encoder_),
      authors_(authors_of(learner, *models.student)),
      limits_(context_limits(authors_, adversarial_length(options), student)),
      words_(readable_words(models, authors_)),
      student_moves_(student.prefix() == nullptr),
      teacher_moves_(student_moves_ && (learner.teacher() == nullptr || learner.teacher()->moves())),
      student_actor_(*models.student, student_encoder_,
                     {.dtype = models.dtype,
                      .batch = options.rollout.sampling_batch,
                      .prefix = student.prefix().get(),
                      .words = words_}),
      mixed_actor_(authors_, *models.student, student_encoder_, student.prefix().get()) {
  check_longest(options.longest, limits_);
  if (authors_.models.size() == 1) {
    auto actor = std::make_unique<generator::LanguageActor>(
        *authors_.models.front(), teacher_encoder_,
        generator::LanguageActorOptions{.dtype = models.dtype,
                                        .batch = options.rollout.sampling_batch,
                                        .keep_states = teachers_states_serve(options, models),
                                        .words = words_});
    packed_teacher_ = actor.get();
    teacher_actor_ = std::move(actor);
  } else {
    teacher_actor_ =
        std::make_unique<generator::MixtureActor>(authors_, teacher_encoder_, options.rollout.sampling_batch, words_);
  }
  if (std::holds_alternative<CachedTeacher>(options.teacher.weights)) return;  // its file is all that is read
  if (options.rollout.adversarial_prefix) {
    if (!models.shared_vocabulary) {
      throw ConfigError("rollout.adversarial_prefix: needs a student of the teacher's vocabulary");
    }
    add_adversary(options, models.dtype, seeds);
  }
  rollouts_ = std::make_unique<generator::RolloutSource>(
      options.rollout, generator::RolloutParts{
                           .prompts = generator::make_prompt_source(
                               options.rollout.prompts, {.encoder = teacher_encoder_,
                                                         .teacher = *teacher_actor_,
                                                         .open_texts = open_texts,
                                                         .completion_length = options.rollout.sampling.max_new_tokens,
                                                         .seeds = seeds,
                                                         .teacher_room = limits_.teacher}),
                           .teacher = adversary_ ? *prefixed_teacher_ : *teacher_actor_,
                           .student = student_actor_,
                           .mixed = &mixed_actor_,
                           .teacher_view = teacher_view_,
                           .student_view = student_view_,
                           .encoder = student_encoder_,
                           .seeds = seeds,
                           .teacher_encoder = models.shared_vocabulary ? nullptr : &teacher_encoder_,
                           .teacher_room = limits_.teacher,
                           .student_room = limits_.student,
                           .progress = &progress});
  std::optional<TwoTokenizers> tokenizers;
  if (!models.shared_vocabulary) {
    tokenizers.emplace(TwoTokenizers{teacher_encoder_.tokenizer(), student_encoder_.tokenizer(),
                                     options.loss.universal_logit->alignment});
  }
  input_ = std::make_unique<RolloutInput>(
      RolloutInputOptions{.batch = options.batch,
                          .draw = options.draw,
                          .passes = options.passes,
                          .candidates = options.candidates,
                          .longest = options.longest,
                          .skip_first = options.loss.skip_first,
                          .top_k = options.replay_top_k,
                          .own_log_probabilities = options.loss.advantage.has_value(),
                          .learn_prompts = learn_prompts,
                          .ramps = options.ramps,
                          .replay = options.replay,
                          .tokenizers = tokenizers},
      *rollouts_, teacher_view_, student_view_,
      RolloutInput::Teacher{
          .divergences = [&learner](std::span<const Sequence> sequences) { return learner.divergences(sequences); },
          .remember = [&learner](std::span<Sequence> sequences, std::int64_t k) { learner.remember(sequences, k); }},
      seeds, adversary_.get());
}

// The plain teacher writes what the prefix starts as, and packs its weights anew should a prompt source ask it to
// write: nobody may ever.
void RolloutParts::add_adversary(const DistillLanguageModel& options, torch::ScalarType dtype, SeedStreams& seeds) {
  if (packed_teacher_ == nullptr) throw ConfigError("rollout.adversarial_prefix: needs a teacher of one model");
  const language::CausalLm& teacher = *authors_.models.front();
  const auto& adversarial = *options.rollout.adversarial_prefix;
  const auto text = generator::adversarial_start(*packed_teacher_, teacher_encoder_, adversarial.length, seeds);
  packed_teacher_->weights_changed();
  adversary_ = std::make_unique<generator::AdversarialPrefix>(
      adversarial, teacher, text, language::WritableIds(teacher_encoder_.tokenizer(), words_));
  prefixed_teacher_ = std::make_unique<generator::LanguageActor>(
      teacher, teacher_encoder_,
      generator::LanguageActorOptions{
          .dtype = dtype, .batch = options.rollout.sampling_batch, .prefix = &adversary_->prefix(), .words = words_});
}

void RolloutParts::student_changed() {
  if (student_moves_) student_actor_.weights_changed();
  if (packed_teacher_ == nullptr || !teacher_moves_) return;
  packed_teacher_->weights_changed();
  if (prefixed_teacher_) prefixed_teacher_->weights_changed();
}

}  // namespace drystill::distiller
