#pragma once

#include <ATen/core/Generator.h>

#include <cstdint>
#include <memory>
#include <string>

#include "vision/classifier.h"

namespace drystill::vision {

// A network of kClassifiers (architectures.h) with fresh weights drawn from `generator` (a CPU generator: weights do
// not depend on the device), float32, on the CPU, in training mode. ConfigError for an unknown name, with the nearest
// one, and for a spec it cannot serve.
std::shared_ptr<Classifier> make_classifier(const std::string& name, const ImageSpec& image, at::Generator generator);

// Number of trainable values: parameters, not running statistics.
std::int64_t count_parameters(const torch::nn::Module& module);

}  // namespace drystill::vision
