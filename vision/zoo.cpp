#include "vision/zoo.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <vector>

#include "core/error.h"
#include "vision/architectures.h"
#include "vision/models/lenet.h"
#include "vision/models/resnet.h"
#include "vision/models/vgg.h"
#include "vision/models/wide_resnet.h"

namespace drystill::vision {
namespace {

struct Entry {
  std::string_view name;
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
constexpr auto kZoo = std::to_array<Entry>({
    {"lenet5", lenet5<false>},
    {"lenet5_half", lenet5<true>},
    {"resnet8", resnet_small<8>},
    {"resnet14", resnet_small<14>},
    {"resnet20", resnet_small<20>},
    {"resnet32", resnet_small<32>},
    {"resnet44", resnet_small<44>},
    {"resnet56", resnet_small<56>},
    {"resnet110", resnet_small<110>},
    {"resnet18", resnet_cifar<18>},
    {"resnet34", resnet_cifar<34>},
    {"resnet50", resnet_cifar<50>},
    {"wrn16_1", wide_resnet<16, 1>},
    {"wrn16_2", wide_resnet<16, 2>},
    {"wrn40_1", wide_resnet<40, 1>},
    {"wrn40_2", wide_resnet<40, 2>},
    {"vgg8", vgg<8>},
    {"vgg11", vgg<11>},
    {"vgg13", vgg<13>},
    {"vgg16", vgg<16>},
    {"vgg19", vgg<19>},
});
static_assert(std::ranges::equal(kZoo, kClassifiers, {}, &Entry::name, &ClassifierInfo::name));

}  // namespace

std::shared_ptr<Classifier> make_classifier(const std::string& name, const ImageSpec& image, at::Generator generator) {
  for (const auto& entry : kZoo) {
    if (entry.name != name) continue;
    auto classifier = entry.make(image);
    classifier->initialise(generator);
    return classifier;
  }
  std::vector<std::string_view> names;
  names.reserve(kClassifiers.size());
  for (const auto& classifier : kClassifiers) names.push_back(classifier.name);
  const auto nearest = nearest_name(name, names);
  throw ConfigError("unknown architecture '" + name + "'" +
                    (nearest.empty() ? "; `drystill list models` shows all" : ", did you mean '" + nearest + "'?"));
}

std::int64_t count_parameters(const torch::nn::Module& module) {
  std::int64_t count = 0;
  for (const auto& parameter : module.parameters()) count += parameter.numel();
  return count;
}

}  // namespace drystill::vision
