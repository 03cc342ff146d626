#pragma once

#include <cstdint>
#include <vector>

#include "core/seeds.h"
#include "distiller/language/teacher_cache.h"
#include "distiller/loop.h"
#include "generator/rollouts/shuffled_order.h"

namespace drystill::distiller {

// Batches of a teacher cache: every sequence once, in a fresh random order each time round.
class CachedInput final : public InputSource {
 public:
  // `cache` outlives it. Completions are cut where prompt and completion pass `longest` tokens; InputError where no
  // sequence's prompts leave room for one.
  CachedInput(const TeacherCache& cache, std::int64_t batch, std::int64_t longest, SeedStreams& seeds);

  Batch next(const curriculum::StagePlan& plan) override;
  void save(StateWriter writer) const override { order_.save(writer.part("order")); }
  void load(const StateReader& reader) override { order_.load(reader.part("order")); }

 private:
  const TeacherCache& cache_;
  std::int64_t batch_, longest_;
  std::vector<std::int64_t> usable_;
  generator::ShuffledOrder order_;
};

}  // namespace drystill::distiller
