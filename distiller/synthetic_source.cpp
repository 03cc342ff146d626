#include "distiller/synthetic_source.h"

#include <algorithm>
#include <cmath>
namespace drystill::distiller {
namespace {

torch::Tensor to_bytes(const torch::Tensor& unit) {
  return unit.mul(255).round_().clamp_(0, 255).to(torch::kUInt8);
}

}  // namespace

SyntheticSource::SyntheticSource(const SyntheticSourceOptions& options, generator::Synthesizer& synthesizer,
                                 const vision::ImageSpec& image, torch::Device device, torch::ScalarType dtype,
                                 SeedStreams& seeds)
    : options_(options),
      synthesizer_(synthesizer),
      normalise_(image.mean, image.stddev, device),
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
    images_synthesized_ += count;
    newest_terms_.clear();
    newest_terms_.emplace_back("loss", report.loss.item<double>());
    for (const auto& [name, value] : report.terms) newest_terms_.emplace_back(name, value.item<double>());
    if (options_.reuse_generator_batch) {
      generator_images = report.images;
      generator_logits = report.teacher_logits;
    }
  }

  torch::NoGradGuard no_grad;
  Batch batch;
  const bool augmented = options_.augment.any();
  const bool replays = options_.replay.capacity > 0 && bank_.size() >= options_.batch;
  const auto replayed =
      replays ? static_cast<std::int64_t>(std::lround(options_.replay.fraction * static_cast<double>(options_.batch)))
              : 0;
  const std::int64_t fresh_count = options_.batch - replayed;

  std::vector<torch::Tensor> fresh;
  std::int64_t reused = 0;
  if (generator_images.defined()) {
    reused = std::min(fresh_count, generator_images.size(0));
    fresh.push_back(generator_images.narrow(0, 0, reused));
    // The teacher's answer holds for exactly these pixels: not for augmented ones.
    if (reused == options_.batch && !augmented) batch.teacher_logits = generator_logits.narrow(0, 0, reused);
  }
  if (reused < fresh_count || fresh.empty()) {
    fresh.push_back(synthesizer_.sample(fresh_count - reused));
    images_synthesized_ += fresh_count - reused;
  }
  torch::Tensor images = fresh.size() == 1 ? fresh.front() : torch::cat(fresh);

  if (options_.replay.capacity > 0) {
    auto slots = torch::full({options_.batch}, -1, torch::kInt64);
    const torch::Tensor fresh_bytes = plan.step % options_.replay.store_every == 0 ? to_bytes(images) : torch::Tensor();
    if (replayed > 0) {
      auto draw = bank_.draw(replayed, replay_draws_);
      images = torch::cat({images, draw.samples.to(images.scalar_type()).div_(255)});
      slots.narrow(0, fresh_count, replayed).copy_(draw.slots);
    }
    // Stored after the draw: a batch never meets itself.
    if (fresh_bytes.defined()) {
      const auto stored = bank_.insert(fresh_bytes, torch::ones({fresh_count}));
      slots.narrow(0, fresh_count - stored.size(0), stored.size(0)).copy_(stored);
    }
    batch.bank_slots = slots;
  }
  if (augmented) images = vision::augment(images, options_.augment, augmentation_);
  batch.inputs = normalise_(images).to(dtype_);
  return batch;
}

void SyntheticSource::observe(const Batch& batch, const StepReport& report) {
  if (!batch.bank_slots.defined() || options_.replay.draw != curriculum::ReplayDraw::kCurriculum) return;
  if (report.sample_weights.dim() != 1) return;  // one weight for the whole batch tells the samples not apart
  const auto kept = batch.bank_slots.ge(0).nonzero().squeeze(1);
  bank_.reweigh(batch.bank_slots.index_select(0, kept), report.sample_weights.to(torch::kCPU).index_select(0, kept));
}

Metrics SyntheticSource::take_metrics() {
  Metrics metrics = std::move(newest_terms_);
  newest_terms_.clear();
  return metrics;
}

void SyntheticSource::save(StateWriter writer) const {
  synthesizer_.save(writer.part("synthesizer"));
  bank_.save(writer.part("bank"));
  writer.integer("images_synthesized", images_synthesized_);
  // The generator's last terms may not have reached the journal yet.
  writer.integer("terms", static_cast<std::int64_t>(newest_terms_.size()));
  for (std::size_t i = 0; i < newest_terms_.size(); ++i) {
    writer.text("term_name." + std::to_string(i), newest_terms_[i].first);
    writer.real("term_value." + std::to_string(i), newest_terms_[i].second);
  }
}

void SyntheticSource::load(const StateReader& reader) {
  synthesizer_.load(reader.part("synthesizer"));
  bank_.load(reader.part("bank"), device_);
  images_synthesized_ = reader.integer("images_synthesized");
  newest_terms_.clear();
  const std::int64_t terms = reader.integer("terms");
  for (std::int64_t i = 0; i < terms; ++i) {
    newest_terms_.emplace_back(reader.text("term_name." + std::to_string(i)),
                               reader.real("term_value." + std::to_string(i)));
  }
}

}  // namespace drystill::distiller
