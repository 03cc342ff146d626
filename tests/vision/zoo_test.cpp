#include "vision/zoo.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Context.h>
#include <gtest/gtest.h>

#include <cmath>
#include <ostream>

#include "core/error.h"
#include "tests/vision/golden.h"
#include "tests/vision/hashed_weights.h"
#include "vision/architectures.h"

namespace drystill::vision {
namespace {

std::shared_ptr<Classifier> make(const std::string& name, ImageSpec image = {}, std::uint64_t seed = 1) {
  return make_classifier(name, image, at::detail::createCPUGenerator(seed));
}

ImageSpec spec_of(const std::string& name, std::int64_t classes = 10) {
  ImageSpec image;
  image.classes = classes;
  if (name.starts_with("lenet5")) image.channels = 1;
  return image;
}

ImageSpec sized(std::int64_t channels, std::int64_t height, std::int64_t width) {
  ImageSpec image;
  image.channels = channels;
  image.height = height;
  image.width = width;
  return image;
}

std::int64_t count_batch_norms(Classifier& classifier) {
  std::int64_t count = 0;
  classifier.visit_batch_norms([&](BatchNorm2d&) { ++count; });
  return count;
}

std::int64_t count_keys(const Classifier& classifier) {
  return static_cast<std::int64_t>(classifier.named_parameters().size() + classifier.named_buffers().size());
}

template <class Error>
std::string message_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

// Published counts, independent of the golden file.
struct Published {
  const char* name;
  std::int64_t classes, parameters, batch_norms, keys;
};

void PrintTo(const Published& model, std::ostream* out) {
  *out << model.name << "/" << model.classes;
}

class PublishedCounts : public ::testing::TestWithParam<Published> {};

TEST_P(PublishedCounts, ParametersBatchNormsAndKeys) {
  const auto& model = GetParam();
  const auto classifier = make(model.name, spec_of(model.name, model.classes));
  EXPECT_EQ(count_parameters(*classifier), model.parameters);
  EXPECT_EQ(count_batch_norms(*classifier), model.batch_norms);
  EXPECT_EQ(count_keys(*classifier), model.keys);
}

INSTANTIATE_TEST_SUITE_P(
    Zoo, PublishedCounts,
    ::testing::Values(Published{"resnet18", 10, 11173962, 20, 122}, Published{"resnet18", 100, 11220132, 20, 122},
                      Published{"resnet34", 10, 21282122, 36, 218}, Published{"resnet34", 100, 21328292, 36, 218},
                      Published{"resnet34", 200, 21379592, 36, 218}, Published{"resnet50", 10, 23520842, 53, 320},
                      Published{"wrn16_1", 10, 175066, 13, 82}, Published{"wrn16_1", 100, 180916, 13, 82},
                      Published{"wrn16_2", 10, 691674, 13, 83}, Published{"wrn16_2", 100, 703284, 13, 83},
                      Published{"wrn40_1", 10, 563930, 37, 226}, Published{"wrn40_1", 100, 569780, 37, 226},
                      Published{"wrn40_2", 10, 2243546, 37, 227}, Published{"wrn40_2", 100, 2255156, 37, 227},
                      Published{"vgg11", 10, 9231114, 8, 58}, Published{"vgg11", 100, 9277284, 8, 58},
                      Published{"lenet5", 10, 61706, 0, 10}, Published{"lenet5_half", 10, 15738, 0, 10}));

// Every name of the zoo against the PyTorch networks of tools/make_golden_vision.py.
class EveryClassifier : public ::testing::TestWithParam<std::string> {
 protected:
  static const std::map<std::string, torch::Tensor>& golden() {
    static const auto tensors = testing::read_golden("zoo");
    return tensors;
  }
};

TEST_P(EveryClassifier, HasPyTorchsCounts) {
  const auto& name = GetParam();
  const auto counts = golden().at(name + ".counts");
  const auto small = make(name, spec_of(name));
  EXPECT_EQ(count_parameters(*small), counts[0].item<std::int64_t>());
  EXPECT_EQ(count_parameters(*make(name, spec_of(name, 100))), counts[1].item<std::int64_t>());
  EXPECT_EQ(count_batch_norms(*small), counts[2].item<std::int64_t>());
  EXPECT_EQ(count_keys(*small), counts[3].item<std::int64_t>());
}

TEST_P(EveryClassifier, GivesPyTorchsLogits) {
  const auto& name = GetParam();
  const auto classifier = make(name, spec_of(name));
  testing::fill_hashed(*classifier);
  classifier->eval();
  const auto logits = golden().at(name + ".logits");
  const auto features = golden().at(name + ".features");
  const auto images = testing::hashed_images(2, classifier->image().channels);
  const double largest = logits.abs().max().item<double>();
  const auto expect_golden = [&](const torch::Tensor& input, const char* path) {
    const auto output = classifier->forward(input);
    ASSERT_EQ(output.logits.sizes(), logits.sizes()) << path;
    ASSERT_EQ(output.features.sizes(), features.sizes()) << path;
    EXPECT_LE((output.logits - logits).abs().max().item<double>(), 1e-4 * std::min(1.0, largest)) << path;
    EXPECT_LE((output.features - features).abs().max().item<double>(), 1e-4) << path;
  };
  expect_golden(images, "plain: weights need gradients");
  const torch::NoGradGuard no_grad;
  expect_golden(images, "fused");
  expect_golden(images.contiguous(at::MemoryFormat::ChannelsLast), "fused, channels-last");
}

INSTANTIATE_TEST_SUITE_P(Zoo, EveryClassifier, ::testing::ValuesIn([] {
                           std::vector<std::string> names;
                           for (const auto& classifier : kClassifiers) names.emplace_back(classifier.name);
                           return names;
                         }()),
                         [](const auto& model) { return model.param; });

TEST(Zoo, WeightsDependOnTheGeneratorAlone) {
  const auto global = at::globalContext().defaultGenerator(at::kCPU);
  const auto before = global.get_state();
  const auto first = make("resnet8", {}, 1)->parameters();
  const auto same = make("resnet8", {}, 1)->parameters();
  const auto other = make("resnet8", {}, 2)->parameters();
  for (std::size_t i = 0; i < first.size(); ++i) EXPECT_TRUE(torch::equal(first[i], same[i]));
  EXPECT_FALSE(torch::equal(first[0], other[0]));
  EXPECT_TRUE(torch::equal(before, global.get_state()));
}

// Standard deviations of the published initialisations, within 4 standard errors.
void expect_deviation(const torch::Tensor& weight, double expected) {
  const double standard_error = expected / std::sqrt(2.0 * static_cast<double>(weight.numel()));
  EXPECT_NEAR(weight.std().item<double>(), expected, 4 * standard_error);
}

TEST(Zoo, PublishedInitialisation) {
  const auto wide = make("wrn16_2")->named_parameters();
  expect_deviation(wide["block3.layer.1.conv2.weight"], std::sqrt(2.0 / (9 * 128)));
  EXPECT_EQ(wide["fc.bias"].abs().max().item<double>(), 0);
  expect_deviation(make("resnet20")->named_parameters()["layer3.1.conv1.weight"], std::sqrt(2.0 / (9 * 64)));
  const auto vgg = make("vgg8")->named_parameters();
  expect_deviation(vgg["classifier.weight"], 0.01);
  expect_deviation(vgg["block3.0.weight"], std::sqrt(2.0 / (9 * 512)));
  EXPECT_EQ(vgg["block3.0.bias"].abs().max().item<double>(), 0);
  // PyTorch's default: uniform with bound 1 / sqrt(fan_in).
  expect_deviation(make("resnet18")->named_parameters()["layer3.0.conv2.weight"], 1 / std::sqrt(3.0 * 9 * 256));
}

TEST(Zoo, UnknownNameSuggestsTheNearest) {
  const auto message = message_of<ConfigError>([] { make("resnet81"); });
  EXPECT_NE(message.find("'resnet81'"), std::string::npos) << message;
  EXPECT_NE(message.find("did you mean 'resnet8'?"), std::string::npos) << message;
}

TEST(Zoo, RefusesImagesThatCannotFit) {
  EXPECT_NE(message_of<ConfigError>([] { make("lenet5", sized(1, 28, 28)); }).find("28x28"), std::string::npos);
  EXPECT_NE(message_of<ConfigError>([] { make("vgg8", sized(3, 4, 32)); }).find("4x32"), std::string::npos);
  const auto network = make("resnet8");
  const auto message = message_of<InputError>([&] { network->forward(torch::zeros({2, 1, 32, 32})); });
  EXPECT_NE(message.find("[2, 1, 32, 32]"), std::string::npos) << message;
  EXPECT_NE(message_of<InputError>([&] { network->forward(torch::zeros({3, 32, 32})); }), "no error");
  EXPECT_NE(message_of<InputError>([&] { network->forward(torch::zeros({2, 3, 32, 32}, torch::kUInt8)); }), "no error");
}

TEST(Zoo, OtherImageSizesAndChannels) {
  for (const auto& [name, description] : kClassifiers) {
    if (name.starts_with("lenet5") || name == "resnet110" || name == "resnet50") continue;
    const auto network = make(std::string(name), sized(1, 64, 64));
    network->freeze();
    EXPECT_EQ(network->forward(torch::zeros({1, 1, 64, 64})).logits.sizes(), (std::vector<std::int64_t>{1, 10}))
        << name;
  }
}

}  // namespace
}  // namespace drystill::vision
