#include "generator/synthesizers/generative.h"

#include "generator/objective.h"
#include "kernels/batch_statistics.h"
#include "vision/batch_norm_tap.h"
#include "vision/memory_format.h"

namespace drystill::generator {
namespace {

// The generator's gradient passes through the student, but its parameters take none: no buffers, no wasted products.
class FrozenScope {
 public:
  explicit FrozenScope(torch::nn::Module& module) {
    for (auto& parameter : module.parameters()) {
      if (!parameter.requires_grad()) continue;
      parameter.set_requires_grad(false);
      frozen_.push_back(parameter);
    }
  }
  ~FrozenScope() {
    for (auto& parameter : frozen_) parameter.set_requires_grad(true);
  }
  FrozenScope(const FrozenScope&) = delete;
  FrozenScope& operator=(const FrozenScope&) = delete;

 private:
  std::vector<torch::Tensor> frozen_;
};

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
      normalise_(models_.image.mean, models_.image.stddev, models_.device),
      latents_(seeds.stream("generator.latent")),
      network_(prepared_network(options_.network, models_, seeds)),
      optimizer_(network_->parameters(), options_.optimizer) {
  models_.teacher->visit_batch_norms([this](vision::BatchNorm2d&) { teacher_has_batch_norm_ = true; });
}

std::vector<std::string> GenerativeSynthesizer::notices() const {
  if (options_.objective.batch_norm > 0 && !teacher_has_batch_norm_) {
    return {"the teacher has no batch norm: generator.objective.batch_norm is left out"};
  }
  return {};
}

torch::Tensor GenerativeSynthesizer::latent(std::int64_t count) {
  return torch::randn({count, options_.network.latent_size}, latents_, torch::TensorOptions(models_.device))
      .to(models_.dtype);
}

SynthesisReport GenerativeSynthesizer::improve(const SynthesisRequest& request) {
  if (!warmed_up_) {
    warmed_up_ = true;
    for (std::int64_t i = 0; i < options_.warmup_steps; ++i) step({request.batch, /*adversarial_weight=*/0});
  }
  return step(request);
}

SynthesisReport GenerativeSynthesizer::step(const SynthesisRequest& request) {
  const ObjectiveOptions& weights = options_.objective;
  FrozenScope frozen_student(*models_.student);
  network_->train();
  optimizer_.zero_grad();

  SynthesisReport report;
  const auto add = [&report](const char* name, double weight, const torch::Tensor& term) {
    report.terms.emplace_back(name, term.detach());
    const torch::Tensor weighted = weight * term;
    report.loss = report.loss.defined() ? report.loss + weighted : weighted;
  };

  const torch::Tensor output = network_->forward(latent(request.batch));
  torch::Tensor normalised = output;
  if (network_->output_is_normalised()) {
    report.images = normalise_.inverse(output.detach());
  } else {
    normalised = normalise_(output);
    report.images = output.detach();
  }

  torch::Tensor batch_norm;
  vision::Classifier::Output teacher;
  if (weights.batch_norm > 0 && teacher_has_batch_norm_) {
    vision::BatchNormTap tap(*models_.teacher, [&](const torch::Tensor& input, const vision::BatchNorm2d& layer) {
      const auto distance = kernels::batch_norm_distance(input, layer.running_mean(), layer.running_var());
      batch_norm = batch_norm.defined() ? batch_norm + distance : distance;
    });
    teacher = models_.teacher->forward(normalised);
  } else {
    teacher = models_.teacher->forward(normalised);
  }
  report.teacher_logits = teacher.logits.detach();

  if (weights.one_hot > 0) add("one_hot", weights.one_hot, one_hot_loss(teacher.logits));
  if (weights.class_balance > 0) {
    add("class_balance", weights.class_balance, class_balance_loss(teacher.logits, weights.class_balance_temperature));
  }
  if (weights.activation > 0) add("activation", weights.activation, activation_loss(teacher.features));
  if (batch_norm.defined()) add("batch_norm", weights.batch_norm, batch_norm);
  if (weights.total_variation > 0) add("total_variation", weights.total_variation, total_variation_loss(output));
  if (request.adversarial_weight > 0) {
    const bool was_training = models_.student->is_training();
    models_.student->train(!options_.student_in_eval_mode);
    const auto student = models_.student->forward(normalised);
    models_.student->train(was_training);
    add("adversarial", request.adversarial_weight, adversarial_loss(student.logits, teacher.logits, weights));
  }
  TORCH_CHECK(report.loss.defined(), "[generator.GenerativeSynthesizer] every term of the objective has weight 0");

  report.loss.backward();
  report.loss = report.loss.detach();
  optimizer_.step();
  return report;
}

torch::Tensor GenerativeSynthesizer::sample(std::int64_t count) {
  torch::NoGradGuard no_grad;
  network_->train(!options_.sample_in_eval_mode);
  const torch::Tensor output = network_->forward(latent(count));
  return network_->output_is_normalised() ? normalise_.inverse(output) : output;
}

void GenerativeSynthesizer::save(StateWriter writer) const {
  writer.module("network", *network_);
  optimizer_.save(writer.part("optimizer"));
  writer.integer("warmed_up", warmed_up_ ? 1 : 0);
}

void GenerativeSynthesizer::load(const StateReader& reader) {
  reader.module("network", *network_);
  optimizer_.load(reader.part("optimizer"));
  warmed_up_ = reader.integer("warmed_up") != 0;
}

}  // namespace drystill::generator
