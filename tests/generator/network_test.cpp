#include "generator/networks/network.h"

#include <ATen/CPUGeneratorImpl.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "io/safetensors.h"
#include "vision/layers.h"

namespace drystill::generator {
namespace {

vision::ImageSpec image(std::int64_t channels, std::int64_t size) {
  vision::ImageSpec spec;
  spec.channels = channels;
  spec.height = spec.width = size;
  spec.classes = 10;
  spec.mean.assign(static_cast<std::size_t>(channels), 0.5);
  spec.stddev.assign(static_cast<std::size_t>(channels), 0.5);
  return spec;
}

at::Generator generator() {
  return at::detail::createCPUGenerator(1);
}

std::int64_t parameters(const NetworkOptions& options, const vision::ImageSpec& spec) {
  std::int64_t count = 0;
  for (const auto& parameter : make_network(options, spec, generator())->parameters()) count += parameter.numel();
  return count;
}

// Counts of the published networks (research: instantiated in PyTorch).
TEST(Network, ParameterCountsEqualThePublishedOnes) {
  EXPECT_EQ(parameters({.kind = NetworkKind::kSmall, .latent_size = 256}, image(3, 32)), 2'328'899);
  EXPECT_EQ(parameters({.kind = NetworkKind::kLarge, .latent_size = 256}, image(3, 32)), 4'581'955);
  EXPECT_EQ(parameters({.kind = NetworkKind::kLarge, .latent_size = 512}, image(3, 32)), 8'776'259);
  EXPECT_EQ(parameters({.kind = NetworkKind::kDcgan, .latent_size = 512}, image(3, 32)), 8'776'259);
  EXPECT_EQ(parameters({.kind = NetworkKind::kDcgan, .latent_size = 1024}, image(3, 64)), 35'139'139);
}

class GoldenNetwork : public ::testing::TestWithParam<NetworkKind> {};

TEST_P(GoldenNetwork, LoadsThePublishedNamesAndGivesPyTorchsImages) {
  const auto golden = io::read_safetensors(DRYSTILL_GOLDEN_DIR "/generator/networks.safetensors");
  const std::string kind(enum_name(GetParam()));
  const auto network = make_network({.kind = GetParam(), .latent_size = 6, .width = 4}, image(3, 16), generator());

  // The stored statistics are those before the forward in training mode.
  torch::NoGradGuard no_grad;
  std::size_t loaded = 0;
  const auto load = [&](const std::string& name, torch::Tensor destination) {
    const auto found = golden.tensors.find(kind + ".state." + name);
    ASSERT_NE(found, golden.tensors.end()) << "no published tensor is called " << name;
    ASSERT_EQ(found->second.sizes(), destination.sizes()) << name;
    destination.copy_(found->second);
    ++loaded;
  };
  for (auto& item : network->named_parameters()) load(item.key(), item.value());
  for (auto& item : network->named_buffers()) load(item.key(), item.value());
  std::size_t published = 0;
  for (const auto& [name, tensor] : golden.tensors) published += name.starts_with(kind + ".state.") ? 1 : 0;
  EXPECT_EQ(loaded, published);

  const auto latent = golden.tensors.at("latent");
  network->train();
  EXPECT_LT((network->forward(latent) - golden.tensors.at(kind + ".train")).abs().max().item<double>(), 1e-5);
  network->eval();
  EXPECT_LT((network->forward(latent) - golden.tensors.at(kind + ".eval")).abs().max().item<double>(), 1e-5);
  EXPECT_EQ(network->output_is_normalised(), GetParam() == NetworkKind::kDafl);
}

INSTANTIATE_TEST_SUITE_P(Kinds, GoldenNetwork,
                         ::testing::Values(NetworkKind::kSmall, NetworkKind::kLarge, NetworkKind::kDcgan,
                                           NetworkKind::kDafl),
                         [](const auto& kind) { return std::string(enum_name(kind.param)); });

TEST(Network, NormalInitialisationIsDcgans) {
  const auto network =
      make_network({.kind = NetworkKind::kDcgan, .latent_size = 64, .initialisation = Initialisation::kNormal},
                   image(3, 32), generator());
  for (const auto& item : network->named_parameters()) {
    if (item.value().dim() < 2) continue;
    EXPECT_NEAR(item.value().std().item<double>(), 0.02, 0.002) << item.key();
  }
}

TEST(Network, RefusesASizeItCannotMake) {
  EXPECT_THROW(make_network({.kind = NetworkKind::kLarge}, image(3, 30), generator()), ConfigError);
}

}  // namespace
}  // namespace drystill::generator
