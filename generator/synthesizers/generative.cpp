#include "generator/synthesizers/generative.h"

#include "core/error.h"
#include "core/stop_request.h"
#include "vision/memory_format.h"

namespace drystill::generator {
namespace {

std::shared_ptr<Network> prepared_network(const NetworkOptions& options, const Models& models, SeedStreams& seeds) {
  auto network = make_network(options, models.image, seeds.cpu_stream("generator.initialisation"));
  network->to(models.device);
  if (models.channels_last) vision::to_channels_last(*network);
  return network;
}

}  // namespace

GenerativeSynthesizer::GenerativeSynthesizer(const GenerativeOptions& options, Models models, SeedStreams& seeds)
    : options_(options),
      models_(std::move(models)),
      objective_(options_.objective, options_.student_in_eval_mode, models_),
      normalise_(models_.image, models_.device),
      latents_(seeds.stream("generator.latent")),
      augmentation_(options_.augment.any() ? seeds.cpu_stream("augment.generator") : at::Generator()),
      network_(prepared_network(options_.network, models_, seeds)),
      optimizer_(network_->parameters(), options_.optimizer),
      warmup_left_(options_.warmup_steps) {}

std::vector<std::string> GenerativeSynthesizer::notices() const {
  auto notices = objective_.notices();
  if (warmup_left_ > 0) {
    notices.push_back("the generator learns alone for " + std::to_string(warmup_left_) +
                      " steps before the student's first (generator.warmup_steps)");
  }
  return notices;
}

torch::Tensor GenerativeSynthesizer::latent(std::int64_t count) {
  return torch::randn({count, options_.network.latent_size}, latents_, torch::TensorOptions(models_.device))
      .to(models_.dtype);
}

torch::Tensor GenerativeSynthesizer::in_unit_range(const torch::Tensor& output) const {
  return network_->output_is_normalised() ? normalise_.inverse(output) : output;
}

SynthesisReport GenerativeSynthesizer::improve(const SynthesisRequest& request) {
  for (; warmup_left_ > 0; --warmup_left_) {
    if (const int signal = stop_requested()) throw Interrupted(signal);
    const auto report = step({request.batch, /*adversarial_weight=*/0});
    // Not at every step: reading a number waits for the device.
    if (warmup_left_ % 50 == 0 && !report.loss.isfinite().item<bool>()) {
      throw DivergedError("the generator's loss (generator.optimizer) in its warm-up is not finite");
    }
  }
  return step(request);
}

SynthesisReport GenerativeSynthesizer::step(const SynthesisRequest& request) {
  network_->train();
  optimizer_.zero_grad();
  SynthesisReport report;
  const torch::Tensor output = network_->forward(latent(request.batch));
  images_made_ += request.batch;
  torch::Tensor normalised;
  if (options_.augment.any()) {
    const torch::Tensor augmented = vision::augment(in_unit_range(output), options_.augment, augmentation_);
    normalised = normalise_(augmented);
    report.images = augmented.detach();
  } else {
    normalised = network_->output_is_normalised() ? output : normalise_(output);
    report.images = in_unit_range(output.detach());
  }

  auto value = objective_.evaluate(in_unit_range(output), normalised, request.adversarial_weight);
  value.require_a_term();
  value.loss.backward();
  optimizer_.step();
  report.loss = value.loss.detach();
  report.terms = std::move(value.terms);
  report.teacher_logits = value.teacher_logits.detach();
  return report;
}

torch::Tensor GenerativeSynthesizer::sample(std::int64_t count) {
  torch::NoGradGuard no_grad;
  network_->train(!options_.sample_in_eval_mode);
  images_made_ += count;
  return in_unit_range(network_->forward(latent(count)));
}

void GenerativeSynthesizer::save(StateWriter writer) const {
  writer.module("network", *network_);
  optimizer_.save(writer.part("optimizer"));
  writer.integer("warmup_left", warmup_left_);
  writer.integer("images_made", images_made_);
}

void GenerativeSynthesizer::load(const StateReader& reader) {
  reader.module("network", *network_);
  optimizer_.load(reader.part("optimizer"));
  warmup_left_ = reader.integer("warmup_left");
  images_made_ = reader.integer("images_made");
}

}  // namespace drystill::generator
