#include "distiller/synthetic_source.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "core/error.h"
#include "distiller/replay.h"

namespace drystill::distiller {
namespace {

// As the bank keeps them: cut to [0, 1], where an unbounded network left it.
torch::Tensor to_bytes(const torch::Tensor& unit) {
  return unit.mul(255).round_().clamp_(0, 255).to(torch::kUInt8);
}

}  // namespace

SyntheticSource::SyntheticSource(const SyntheticSourceOptions& options, generator::Synthesizer& synthesizer,
                                 const vision::ImageSpec& image, torch::Device device, torch::ScalarType dtype,
                                 SeedStreams& seeds)
    : options_(options),
      synthesizer_(synthesizer),
      normalise_(image, device),
      dtype_(dtype),
      device_(device),
      augmentation_(seeds.cpu_stream("augment.student")),
      replay_draws_(seeds.cpu_stream("replay.draw")),
      bank_(options.replay) {}

Batch SyntheticSource::next(const curriculum::StagePlan& plan) {
  torch::Tensor generator_images, generator_logits;
  if (plan.step % options_.student_steps_per_generator_step == 0) {
    const std::int64_t count = options_.generator_batch > 0 ? options_.generator_batch : options_.batch;
    auto report = synthesizer_.improve({count, plan.adversarial_weight});
    newest_terms_.clear();
    const auto loss = report.loss.item<double>();
    if (!std::isfinite(loss))
      throw DivergedError("the generator's loss (generator.optimizer) is " + std::to_string(loss));
    newest_terms_.emplace_back("loss", loss);
    for (const auto& [name, value] : report.terms) newest_terms_.emplace_back(name, value.item<double>());
    if (options_.reuse_generator_batch) {
      generator_images = report.images;
      generator_logits = report.teacher_logits;
    }
  }

  torch::NoGradGuard no_grad;
  Batch batch;
  const bool augmented = options_.augment.any();
  const std::int64_t replayed = replayed_count(options_.replay, bank_, options_.batch);
  const std::int64_t fresh_count = options_.batch - replayed;

  std::vector<torch::Tensor> fresh;
  std::int64_t reused = 0;
  if (generator_images.defined()) {
    reused = std::min(fresh_count, generator_images.size(0));
    fresh.push_back(generator_images.narrow(0, 0, reused));
    // The teacher's answer holds for exactly these pixels: not for augmented ones.
    if (reused == options_.batch && !augmented) batch.teacher_logits = generator_logits.narrow(0, 0, reused);
  }
  if (reused < fresh_count) fresh.push_back(synthesizer_.sample(fresh_count - reused));

  if (options_.replay.capacity > 0) {
    torch::Tensor drawn, fresh_bytes;
    if (fresh_count > 0 && plan.step % options_.replay.store_every == 0) fresh_bytes = to_bytes(torch::cat(fresh));
    if (replayed > 0) {
      auto draw = bank_.draw(replayed, replay_draws_);
      const auto dtype = fresh_count > 0 ? fresh.front().scalar_type() : torch::kFloat32;
      fresh.push_back(draw.samples.to(dtype).div_(255));
      drawn = draw.slots;
    }
    batch.bank_slots = slots_of_batch(fresh_count, drawn);
    if (fresh_bytes.defined()) store_fresh(bank_, fresh_bytes, batch.bank_slots);
  }
  torch::Tensor images = fresh.size() == 1 ? fresh.front() : torch::cat(fresh);
  if (augmented) images = vision::augment(images, options_.augment, augmentation_);
  batch.inputs = normalise_(images).to(dtype_);
  return batch;
}

void SyntheticSource::observe(const Batch& batch, const StepReport& report) {
  reweigh(bank_, options_.replay, batch, report);
}

Metrics SyntheticSource::take_metrics() {
  Metrics metrics = std::move(newest_terms_);
  newest_terms_.clear();
  return metrics;
}

void SyntheticSource::save(StateWriter writer) const {
  synthesizer_.save(writer.part("synthesizer"));
  bank_.save(writer.part("bank"));
  save_metrics(writer, "term", newest_terms_);
}

void SyntheticSource::load(const StateReader& reader) {
  synthesizer_.load(reader.part("synthesizer"));
  bank_.load(reader.part("bank"), device_);
  newest_terms_ = load_metrics(reader, "term");
}

}  // namespace drystill::distiller
