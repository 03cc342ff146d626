#include "vision/zoo.h"

#include <array>

#include "core/error.h"
#include "vision/models/lenet.h"
#include "vision/models/resnet.h"
#include "vision/models/vgg.h"
#include "vision/models/wide_resnet.h"

namespace drystill::vision {
namespace {

struct Entry {
  ClassifierInfo info;
  std::shared_ptr<Classifier> (*make)(const ImageSpec&);
};

template <std::int64_t depth>
std::shared_ptr<Classifier> resnet_small(const ImageSpec& image) {
  return make_resnet_small(depth, image);
}
template <std::int64_t depth>
std::shared_ptr<Classifier> resnet_cifar(const ImageSpec& image) {
  return make_resnet_cifar(depth, image);
}
template <std::int64_t depth, std::int64_t factor>
std::shared_ptr<Classifier> wide_resnet(const ImageSpec& image) {
  return make_wide_resnet(depth, factor, image);
}
template <std::int64_t depth>
std::shared_ptr<Classifier> vgg(const ImageSpec& image) {
  return make_vgg(depth, image);
}
template <bool half>
std::shared_ptr<Classifier> lenet5(const ImageSpec& image) {
  return make_lenet5(half, image);
}

// An explicit table: static registration would be dropped when a static library is linked.
constexpr std::array<Entry, 21> kZoo{{
    {{"lenet5", "LeNet-5, 32x32 images, no batch norm (DAFL)"}, lenet5<false>},
    {{"lenet5_half", "LeNet-5 with half the channels (DAFL)"}, lenet5<true>},
    {{"resnet8", "ResNet-8, widths 16-32-64 (RepDistiller)"}, resnet_small<8>},
    {{"resnet14", "ResNet-14, widths 16-32-64 (RepDistiller)"}, resnet_small<14>},
    {{"resnet20", "ResNet-20, widths 16-32-64 (RepDistiller)"}, resnet_small<20>},
    {{"resnet32", "ResNet-32, widths 16-32-64 (RepDistiller)"}, resnet_small<32>},
    {{"resnet44", "ResNet-44, widths 16-32-64 (RepDistiller)"}, resnet_small<44>},
    {{"resnet56", "ResNet-56, widths 16-32-64 (RepDistiller)"}, resnet_small<56>},
    {{"resnet110", "ResNet-110, widths 16-32-64 (RepDistiller)"}, resnet_small<110>},
    {{"resnet18", "ResNet-18, CIFAR form (DAFL, CMI)"}, resnet_cifar<18>},
    {{"resnet34", "ResNet-34, CIFAR form (DAFL, CMI)"}, resnet_cifar<34>},
    {{"resnet50", "ResNet-50, CIFAR form (DAFL, CMI)"}, resnet_cifar<50>},
    {{"wrn16_1", "WRN-16-1, pre-activation (ZSKT)"}, wide_resnet<16, 1>},
    {{"wrn16_2", "WRN-16-2, pre-activation (ZSKT)"}, wide_resnet<16, 2>},
    {{"wrn40_1", "WRN-40-1, pre-activation (ZSKT)"}, wide_resnet<40, 1>},
    {{"wrn40_2", "WRN-40-2, pre-activation (ZSKT)"}, wide_resnet<40, 2>},
    {{"vgg8", "VGG-8 with batch norm (RepDistiller)"}, vgg<8>},
    {{"vgg11", "VGG-11 with batch norm (RepDistiller)"}, vgg<11>},
    {{"vgg13", "VGG-13 with batch norm (RepDistiller)"}, vgg<13>},
    {{"vgg16", "VGG-16 with batch norm (RepDistiller)"}, vgg<16>},
    {{"vgg19", "VGG-19 with batch norm (RepDistiller)"}, vgg<19>},
}};

}  // namespace

std::vector<ClassifierInfo> classifiers() {
  std::vector<ClassifierInfo> result;
  for (const auto& entry : kZoo) result.push_back(entry.info);
  return result;
}

std::vector<std::string_view> classifier_names() {
  std::vector<std::string_view> names;
  for (const auto& entry : kZoo) names.push_back(entry.info.name);
  return names;
}

std::shared_ptr<Classifier> make_classifier(const std::string& name, const ImageSpec& image, at::Generator generator) {
  for (const auto& entry : kZoo) {
    if (entry.info.name != name) continue;
    auto classifier = entry.make(image);
    classifier->initialise(generator);
    return classifier;
  }
  const auto nearest = nearest_name(name, classifier_names());
  throw ConfigError("unknown architecture '" + name + "'" +
                    (nearest.empty() ? "; `drystill list models` shows all" : ", did you mean '" + nearest + "'?"));
}

std::int64_t count_parameters(const torch::nn::Module& module) {
  std::int64_t count = 0;
  for (const auto& parameter : module.parameters()) count += parameter.numel();
  return count;
}

}  // namespace drystill::vision
