#include "vision/classifier.h"

#include <sstream>

#include "core/error.h"

namespace drystill::vision {

void Classifier::visit_batch_norms(const std::function<void(BatchNorm2d&)>& visit) {
  for (const auto& module : modules(/*include_self=*/false)) {
    if (auto* batch_norm = dynamic_cast<BatchNorm2d*>(module.get())) visit(*batch_norm);
  }
}

void Classifier::initialise(at::Generator generator) {
  vision::initialise(*this, generator);
}

void Classifier::freeze() {
  eval();
  for (auto& parameter : parameters()) {
    parameter.requires_grad_(false);
    parameter.mutable_grad().reset();
  }
}

void Classifier::check_images(const torch::Tensor& images) const {
  if (images.dim() == 4 && images.size(1) == image_.channels && images.is_floating_point()) return;
  std::ostringstream message;
  message << "[vision.Classifier] expected floating-point images of shape [N, " << image_.channels << ", "
          << image_.height << ", " << image_.width << "], got " << images.scalar_type() << " " << images.sizes();
  throw InputError(message.str());
}

}  // namespace drystill::vision
