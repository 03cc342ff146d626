#include "generator/synthesizer.h"

#include "generator/synthesizers/generative.h"

namespace drystill::generator {

std::unique_ptr<Synthesizer> make_synthesizer(const SynthesizerOptions& options, Models models, SeedStreams& seeds) {
  return std::make_unique<GenerativeSynthesizer>(std::get<GenerativeOptions>(options), std::move(models), seeds);
}

}  // namespace drystill::generator
