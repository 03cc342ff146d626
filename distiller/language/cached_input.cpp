#include "distiller/language/cached_input.h"

#include "core/error.h"

namespace drystill::distiller {
namespace {

std::vector<std::int64_t> usable_of(const TeacherCache& cache, std::int64_t longest) {
  std::vector<std::int64_t> usable;
  for (std::int64_t i = 0; i < cache.size(); ++i) {
    if (cache.prompt_length(i) < longest) usable.push_back(i);
  }
  if (usable.empty()) {
    throw InputError("teacher.weights.file: the prompts of all its " + std::to_string(cache.size()) +
                     " sequences have " + std::to_string(longest) + " tokens or more; raise `longest`");
  }
  return usable;
}

}  // namespace

CachedInput::CachedInput(const TeacherCache& cache, std::int64_t batch, std::int64_t longest, SeedStreams& seeds)
    : cache_(cache),
      batch_(batch),
      longest_(longest),
      usable_(usable_of(cache, longest)),
      order_(std::ssize(usable_), seeds.cpu_stream("cache.order")) {}

Batch CachedInput::next(const curriculum::StagePlan&) {
  Batch batch;
  for (std::int64_t i = 0; i < batch_; ++i) {
    const std::int64_t index = usable_[order_.next()];
    Sequence& sequence = batch.sequences.emplace_back(cache_.at(index));
    cut(sequence, static_cast<std::size_t>(longest_ - cache_.prompt_length(index)));
  }
  return batch;
}

}  // namespace drystill::distiller
