#include "generator/synthesizer.h"

#include "generator/synthesizers/generative.h"
#include "generator/synthesizers/inversion.h"

namespace drystill::generator {
namespace {

std::unique_ptr<Synthesizer> make(const GenerativeOptions& options, Models models, SeedStreams& seeds) {
  return std::make_unique<GenerativeSynthesizer>(options, std::move(models), seeds);
}

std::unique_ptr<Synthesizer> make(const InversionOptions& options, Models models, SeedStreams& seeds) {
  return std::make_unique<InversionSynthesizer>(options, std::move(models), seeds);
}

}  // namespace

std::unique_ptr<Synthesizer> make_synthesizer(const SynthesizerOptions& options, Models models, SeedStreams& seeds) {
  return std::visit([&](const auto& method) { return make(method, std::move(models), seeds); }, options);
}

}  // namespace drystill::generator
