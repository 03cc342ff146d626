#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

namespace drystill::vision {

// A network of the zoo: its name and one line for `drystill list models`.
struct ClassifierInfo {
  std::string_view name;
  std::string_view description;
};

// All networks of the zoo, families together, small to large. Apart from what makes them (zoo.cpp), so that a
// configuration's names are checked without LibTorch.
inline constexpr auto kClassifiers = std::to_array<ClassifierInfo>({
    {"lenet5", "LeNet-5, 32x32 images, no batch norm (DAFL)"},
    {"lenet5_half", "LeNet-5 with half the channels (DAFL)"},
    {"resnet8", "ResNet-8, widths 16-32-64 (RepDistiller)"},
    {"resnet14", "ResNet-14, widths 16-32-64 (RepDistiller)"},
    {"resnet20", "ResNet-20, widths 16-32-64 (RepDistiller)"},
    {"resnet32", "ResNet-32, widths 16-32-64 (RepDistiller)"},
    {"resnet44", "ResNet-44, widths 16-32-64 (RepDistiller)"},
    {"resnet56", "ResNet-56, widths 16-32-64 (RepDistiller)"},
    {"resnet110", "ResNet-110, widths 16-32-64 (RepDistiller)"},
    {"resnet18", "ResNet-18, CIFAR form (DAFL, CMI)"},
    {"resnet34", "ResNet-34, CIFAR form (DAFL, CMI)"},
    {"resnet50", "ResNet-50, CIFAR form (DAFL, CMI)"},
    {"wrn16_1", "WRN-16-1, pre-activation (ZSKT)"},
    {"wrn16_2", "WRN-16-2, pre-activation (ZSKT)"},
    {"wrn40_1", "WRN-40-1, pre-activation (ZSKT)"},
    {"wrn40_2", "WRN-40-2, pre-activation (ZSKT)"},
    {"vgg8", "VGG-8 with batch norm (RepDistiller)"},
    {"vgg11", "VGG-11 with batch norm (RepDistiller)"},
    {"vgg13", "VGG-13 with batch norm (RepDistiller)"},
    {"vgg16", "VGG-16 with batch norm (RepDistiller)"},
    {"vgg19", "VGG-19 with batch norm (RepDistiller)"},
});

// What `architecture` may say: a network's name, or nothing where a checkpoint says it.
inline std::vector<std::string> architecture_choices() {
  std::vector<std::string> choices{""};
  for (const auto& classifier : kClassifiers) choices.emplace_back(classifier.name);
  return choices;
}

}  // namespace drystill::vision
