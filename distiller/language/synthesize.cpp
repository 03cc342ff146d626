#include "distiller/language/synthesize.h"

#include <nlohmann/json.hpp>
#include <optional>

#include "core/device.h"
#include "core/error.h"
#include "core/stop_request.h"
#include "core/threads.h"
#include "distiller/language/rollout_parts.h"
#include "distiller/language/run_models.h"
#include "distiller/language/student.h"
#include "distiller/language/teacher_cache.h"
#include "distiller/run_environment.h"
#include "io/atomic_file.h"
#include "io/quote.h"

namespace drystill::distiller {
namespace {

constexpr char kRecords[] = "records.jsonl";

std::string record_of(const Sequence& sequence, const language::Tokenizer& tokenizer) {
  nlohmann::ordered_json record;
  record["teacher_prompt"] = sequence.teacher_prompt;
  record["student_prompt"] = sequence.student_prompt;
  record["completion"] = sequence.completion;
  record["text"] = tokenizer.decode(sequence.completion, /*skip_special=*/true);
  return record.dump() + "\n";
}

// Where the records go; the folder is made where it is missing.
std::filesystem::path new_records(const std::filesystem::path& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) throw RunError(io::quote(folder.string()) + ": cannot be made: " + error.message());
  if (std::filesystem::exists(folder / kRecords)) {
    throw InputError(io::quote((folder / kRecords).string()) + " exists already; choose another folder");
  }
  return folder / kRecords;
}

// What a synthesis leaves: the records, and with them the teacher's words where they are asked for.
class SynthesisFiles {
 public:
  SynthesisFiles(const std::filesystem::path& folder, const std::optional<TeacherCacheFacts>& facts)
      : records_(new_records(folder)) {
    if (facts) cache_.emplace(folder, *facts);
  }

  void add(const Sequence& sequence, const language::Tokenizer& tokenizer) {
    records_.write(record_of(sequence, tokenizer));
    if (cache_) cache_->add(sequence);
    ++written_.sequences;
    written_.tokens += std::ssize(sequence.completion);
  }

  SynthesizedText finish() {
    if (cache_) {
      cache_->finish();
      written_.mean_tail = cache_->mean_tail();
    }
    records_.commit();
    return written_;
  }

  std::int64_t sequences() const { return written_.sequences; }

 private:
  io::AtomicFile records_;
  std::optional<TeacherCacheWriter> cache_;
  SynthesizedText written_;
};

}  // namespace

SynthesizedText synthesize_text(const DistillLanguageModel& options, const TextSynthesisRequest& request,
                                const generator::TextOpener& open_texts, Progress& progress) {
  if (std::holds_alternative<CachedTeacher>(options.teacher.weights)) {
    throw ConfigError("teacher.weights: a cached teacher cannot be asked; name the one it was made from");
  }
  limit_threads(options.run.threads);
  const torch::Device device = cpu_only(options.run.device);
  SeedStreams seeds(static_cast<std::uint64_t>(options.run.seed), device);
  RunModels models = load_run_models(options, seeds);
  if (request.top_k > 0 && !models.shared_vocabulary) {
    throw ConfigError("--logits: a teacher with another vocabulary has no words that the student knows");
  }
  LanguageStudent student(models.student, options.trainable,
                          prefix_tokens(options.trainable, models.student_tokenizer, open_texts), seeds);
  models.set_dtype(compute_type(options.run.precision, device, progress));
  const LanguageLearner learner(learner_options(options, models), student,
                                make_language_teacher(options.teacher.weights, models.teachers, student), device);
  DistillLanguageModel once = options;  // every text: how often they come back is their reader's choice
  once.replay = {};
  once.passes = 1;
  RolloutParts rollouts(once, models, student, learner, open_texts, seeds, progress);

  const std::int64_t k = std::min(request.top_k, learner.words());
  std::optional<TeacherCacheFacts> facts;
  if (request.top_k > 0) {
    facts = {.words = learner.words(),
             .k = k,
             .vocabulary = language::vocabulary_fingerprint(models.teacher_tokenizer),
             .teacher = options.teacher.model.empty() ? models.student_source : options.teacher.model};
  }
  SynthesisFiles files(request.folder, facts);
  progress.start(request.count);
  try {
    while (files.sequences() < request.count) {
      if (const int signal = stop_requested()) throw Interrupted(signal);
      const double done = static_cast<double>(files.sequences()) / static_cast<double>(request.count);
      Batch batch = rollouts.input().next({.progress = done});
      const auto wanted = static_cast<std::size_t>(request.count - files.sequences());
      if (batch.sequences.size() > wanted) batch.sequences.resize(wanted);
      if (facts) learner.remember(batch.sequences, k);
      for (const Sequence& sequence : batch.sequences) files.add(sequence, models.student_tokenizer);
      progress.update(files.sequences(), {});
    }
  } catch (const Interrupted& stop) {
    progress.finish();
    if (files.sequences() == 0) throw;
    files.finish();
    throw Interrupted(stop.signal(), std::to_string(files.sequences()) + " of " + std::to_string(request.count) +
                                         " sequences are in " + io::quote(request.folder.string()));
  }
  progress.finish();
  return files.finish();
}

}  // namespace drystill::distiller
