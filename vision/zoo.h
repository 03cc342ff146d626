#pragma once

#include <ATen/core/Generator.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "vision/classifier.h"

namespace drystill::vision {

// A network of the zoo: its name and one line for `drystill list models`.
struct ClassifierInfo {
  std::string_view name;
  std::string_view description;
};

// All networks of the zoo, families together, small to large.
std::vector<ClassifierInfo> classifiers();
std::vector<std::string_view> classifier_names();

// A network with fresh weights drawn from `generator` (a CPU generator: weights do not depend on the device), float32,
// on the CPU, in training mode. ConfigError for an unknown name, with the nearest one, and for a spec it cannot serve.
std::shared_ptr<Classifier> make_classifier(const std::string& name, const ImageSpec& image, at::Generator generator);

// Number of trainable values: parameters, not running statistics.
std::int64_t count_parameters(const torch::nn::Module& module);

}  // namespace drystill::vision
