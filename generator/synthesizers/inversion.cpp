#include "generator/synthesizers/inversion.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/randperm.h>

#include <utility>
#include <vector>

#include "core/error.h"
#include "core/optimizer.h"
#include "core/stop_request.h"
#include "generator/shapes.h"
#include "generator/soft_targets.h"

namespace drystill::generator {

InversionSynthesizer::InversionSynthesizer(const InversionOptions& options, Models models, SeedStreams& seeds)
    : options_(options),
      models_(std::move(models)),
      objective_(options_.objective, options_.student_in_eval_mode, models_),
      normalise_(models_.image, models_.device),
      random_(seeds.cpu_stream("generator.inversion")) {
  if (options_.target.kind == TargetKind::kDirichlet) {
    similarity_ = class_similarity(*models_.teacher, models_.image.classes);
  }
}

torch::Tensor InversionSynthesizer::start(std::int64_t count) {
  const auto& image = models_.image;
  const torch::Tensor pixels = options_.start == Start::kShapes
                                   ? draw_shapes(count, image.channels, image.height, image.width, random_)
                                   : at::rand({count, image.channels, image.height, image.width}, random_,
                                              torch::TensorOptions(torch::kFloat32));
  const auto format = models_.channels_last ? torch::MemoryFormat::ChannelsLast : torch::MemoryFormat::Contiguous;
  return pixels.to(models_.device).contiguous(format);
}

torch::Tensor InversionSynthesizer::targets(std::int64_t count) {
  switch (options_.target.kind) {
    case TargetKind::kNone:
      return {};
    case TargetKind::kClass:
      return class_targets(count, models_.image.classes).to(models_.device);
    case TargetKind::kDirichlet:
      return dirichlet_targets(similarity_, count, random_).to(models_.device);
  }
  return {};
}

SynthesisReport InversionSynthesizer::improve(const SynthesisRequest& request) {
  const torch::Tensor before = random_.get_state();
  // In training mode the student's batch norms move with every step over the pixels.
  std::vector<std::pair<torch::Tensor, torch::Tensor>> buffers;
  for (const auto& buffer : models_.student->buffers()) buffers.emplace_back(buffer, buffer.clone());
  torch::Tensor pixels = start(request.batch).requires_grad_(true);
  const torch::Tensor wanted = targets(request.batch);
  Optimizer optimizer({pixels}, options_.optimizer);

  std::vector<torch::Tensor> made;
  SynthesisReport report;
  for (std::int64_t step = 0; step < options_.steps; ++step) {
    if (const int signal = stop_requested()) {
      random_.set_state(before);  // the whole batch begins again
      for (auto& [buffer, saved] : buffers) buffer.copy_(saved);
      throw Interrupted(signal);
    }
    if (options_.keep_every > 0 && step % options_.keep_every == 0) made.push_back(pixels.detach().clone());
    optimizer.zero_grad();
    const torch::Tensor seen = vision::augment(pixels, options_.augment, random_);
    auto value = objective_.evaluate(pixels, normalise_(seen).to(models_.dtype), request.adversarial_weight);
    if (wanted.defined() && options_.target.weight > 0) {
      value.add("target", options_.target.weight,
                target_loss(value.teacher_logits, wanted, options_.target.temperature));
    }
    value.require_a_term();
    value.loss.backward();
    optimizer.step();
    torch::NoGradGuard no_grad;
    pixels.clamp_(0, 1);
    report.loss = value.loss.detach();
    report.terms = std::move(value.terms);
  }

  torch::NoGradGuard no_grad;
  report.images = pixels.detach();
  report.teacher_logits = models_.teacher->forward(normalise_(report.images).to(models_.dtype)).logits;
  made.push_back(report.images);
  newest_ = at::cat(made);
  newest_ = newest_.index_select(
      0, at::randperm(newest_.size(0), random_, torch::TensorOptions(torch::kLong)).to(models_.device));
  next_ = 0;
  images_made_ += newest_.size(0);
  return report;
}

torch::Tensor InversionSynthesizer::sample(std::int64_t count) {
  if (!newest_.defined()) return start(count);
  const torch::Tensor index =
      at::arange(next_, next_ + count, torch::TensorOptions(torch::kLong)).remainder(newest_.size(0));
  next_ = (next_ + count) % newest_.size(0);
  return newest_.index_select(0, index.to(models_.device));
}

void InversionSynthesizer::save(StateWriter writer) const {
  if (newest_.defined()) writer.tensor("newest", newest_);
  writer.integer("next", next_);
  writer.integer("images_made", images_made_);
}

void InversionSynthesizer::load(const StateReader& reader) {
  newest_ = reader.has_tensor("newest") ? reader.tensor("newest").to(models_.device).clone() : torch::Tensor();
  next_ = reader.integer("next");
  images_made_ = reader.integer("images_made");
}

}  // namespace drystill::generator
