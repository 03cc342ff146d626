#include "generator/networks/network.h"

#include <ATen/ops/leaky_relu.h>
#include <ATen/ops/upsample_nearest2d.h>

#include <string>
#include <vector>

#include "core/error.h"
#include "vision/layers.h"

namespace drystill::generator {
namespace {

// All four published networks are one shape: a linear layer to a small map, batch norm, then per stage an optional
// doubling, a 3x3 convolution, batch norm and leaky ReLU, and a last convolution to the image's channels. They differ
// in the figures below and in the names of their state dicts.
struct Recipe {
  struct Stage {
    std::int64_t channels;
    bool upsample;
    std::string convolution, norm;  // names below the root, "conv_blocks.2"
  };
  std::int64_t base_channels;
  std::int64_t base_scale;  // image size over size of the first map
  std::string projection, first_norm, last;
  std::vector<Stage> stages;
  bool stage_bias = false;
  double stage_epsilon = 1e-5;  // DAFL's networks use 0.8
  std::string output_norm;      // non-empty: tanh, then batch norm without scale, instead of a sigmoid
};

Recipe recipe_of(const NetworkOptions& options, std::int64_t height) {
  const std::int64_t w = options.width;
  switch (options.kind) {
    case NetworkKind::kSmall:
    case NetworkKind::kLarge: {
      const std::int64_t wide = options.kind == NetworkKind::kLarge ? 4 * w : 2 * w;
      return {.base_channels = wide,
              .base_scale = 4,
              .projection = "l1.0",
              .first_norm = "conv_blocks.0",
              .last = "conv_blocks.9",
              .stages = {{2 * w, true, "conv_blocks.2", "conv_blocks.3"}, {w, true, "conv_blocks.6", "conv_blocks.7"}},
              .output_norm = {}};
    }
    case NetworkKind::kDcgan: {
      if (height < 64) {
        return {.base_channels = 4 * w,
                .base_scale = 4,
                .projection = "project.1",
                .first_norm = "main.0",
                .last = "main.9",
                .stages = {{2 * w, true, "main.2", "main.3"}, {w, true, "main.6", "main.7"}},
                .output_norm = {}};
      }
      return {.base_channels = 8 * w,
              .base_scale = 8,
              .projection = "project.1",
              .first_norm = "main.0",
              .last = "main.13",
              .stages = {{4 * w, true, "main.2", "main.3"},
                         {2 * w, true, "main.6", "main.7"},
                         {w, true, "main.10", "main.11"}},
              .output_norm = {}};
    }
    case NetworkKind::kDafl:
      return {
          .base_channels = 2 * w,
          .base_scale = 4,
          .projection = "l1.0",
          .first_norm = "conv_blocks0.0",
          .last = "conv_blocks2.3",
          .stages = {{2 * w, true, "conv_blocks1.0", "conv_blocks1.1"}, {w, true, "conv_blocks2.0", "conv_blocks2.1"}},
          .stage_bias = true,
          .stage_epsilon = 0.8,
          .output_norm = "conv_blocks2.5"};
  }
  throw ConfigError("[generator.make_network] unknown network kind");
}

// Registers `child` under "group.name", making the group on first use, so that state-dict names equal the published
// ones.
template <class Module>
std::shared_ptr<Module> register_at(torch::nn::Module& root, const std::string& path, std::shared_ptr<Module> child) {
  const auto dot = path.find('.');
  const std::string group_name = path.substr(0, dot);
  const auto children = root.named_children();
  std::shared_ptr<torch::nn::Module> group;
  if (const auto* found = children.find(group_name)) {
    group = *found;
  } else {
    group = root.register_module(group_name, std::make_shared<torch::nn::Module>());
  }
  return group->register_module(path.substr(dot + 1), child);
}

class UpsamplingNetwork final : public Network {
 public:
  UpsamplingNetwork(Recipe recipe, std::int64_t latent_size, const vision::ImageSpec& image)
      : recipe_(std::move(recipe)),
        base_height_(image.height / recipe_.base_scale),
        base_width_(image.width / recipe_.base_scale) {
    projection_ =
        register_at(*this, recipe_.projection,
                    std::make_shared<vision::Linear>(latent_size, recipe_.base_channels * base_height_ * base_width_));
    first_norm_ = register_at(*this, recipe_.first_norm, std::make_shared<vision::BatchNorm2d>(recipe_.base_channels));
    std::int64_t channels = recipe_.base_channels;
    for (const auto& stage : recipe_.stages) {
      convolutions_.push_back(
          register_at(*this, stage.convolution, convolution(channels, stage.channels, recipe_.stage_bias)));
      norms_.push_back(register_at(*this, stage.norm,
                                   std::make_shared<vision::BatchNorm2d>(
                                       stage.channels, vision::BatchNormOptions{.epsilon = recipe_.stage_epsilon})));
      channels = stage.channels;
    }
    last_ = register_at(*this, recipe_.last, convolution(channels, image.channels, /*bias=*/true));
    if (!recipe_.output_norm.empty()) {
      output_norm_ =
          register_at(*this, recipe_.output_norm,
                      std::make_shared<vision::BatchNorm2d>(image.channels, vision::BatchNormOptions{.affine = false}));
    }
  }

  torch::Tensor forward(const torch::Tensor& latent) override {
    torch::Tensor x = projection_->forward(latent);
    x = x.view({x.size(0), recipe_.base_channels, base_height_, base_width_});
    // One layout from here on: the convolutions keep whatever their weights are in.
    x = x.contiguous(last_->weight().suggest_memory_format());
    x = first_norm_->forward(x);
    for (std::size_t i = 0; i < convolutions_.size(); ++i) {
      if (recipe_.stages[i].upsample) {
        x = at::upsample_nearest2d(x, {2 * x.size(2), 2 * x.size(3)}, 2.0, 2.0);
      }
      x = at::leaky_relu(norms_[i]->forward(convolutions_[i]->forward(x)), 0.2);
    }
    x = last_->forward(x);
    return output_norm_ ? output_norm_->forward(x.tanh()) : x.sigmoid();
  }

  bool output_is_normalised() const override { return output_norm_ != nullptr; }

 private:
  static std::shared_ptr<vision::Conv2d> convolution(std::int64_t in, std::int64_t out, bool bias) {
    return std::make_shared<vision::Conv2d>(
        vision::ConvOptions{.in = in, .out = out, .kernel = 3, .padding = 1, .bias = bias});
  }

  Recipe recipe_;
  std::int64_t base_height_;
  std::int64_t base_width_;
  std::shared_ptr<vision::Linear> projection_;
  std::shared_ptr<vision::BatchNorm2d> first_norm_;
  std::vector<std::shared_ptr<vision::Conv2d>> convolutions_;
  std::vector<std::shared_ptr<vision::BatchNorm2d>> norms_;
  std::shared_ptr<vision::Conv2d> last_;
  std::shared_ptr<vision::BatchNorm2d> output_norm_;
};

// DCGAN's and CuDFKD's initialisation: weights N(0, 0.02), batch-norm scales N(1, 0.02), biases 0.
void initialise_normal(torch::nn::Module& network, at::Generator generator) {
  torch::NoGradGuard no_grad;
  for (auto& item : network.named_parameters()) {
    torch::Tensor& parameter = item.value();
    if (parameter.dim() >= 2) {
      parameter.normal_(0, 0.02, generator);
    } else if (item.key().ends_with("bias")) {
      parameter.zero_();
    } else {
      parameter.normal_(1, 0.02, generator);
    }
  }
}

}  // namespace

std::shared_ptr<Network> make_network(const NetworkOptions& options, const vision::ImageSpec& image,
                                      at::Generator generator) {
  Recipe recipe = recipe_of(options, image.height);
  if (image.height % recipe.base_scale != 0 || image.width % recipe.base_scale != 0) {
    throw ConfigError("[generator.make_network] network '" + std::string(enum_name(options.kind)) +
                      "' needs images whose sides are multiples of " + std::to_string(recipe.base_scale) + ", got " +
                      std::to_string(image.height) + " x " + std::to_string(image.width));
  }
  auto network = std::make_shared<UpsamplingNetwork>(std::move(recipe), options.latent_size, image);
  if (options.initialisation == Initialisation::kNormal) {
    initialise_normal(*network, generator);
  } else {
    vision::initialise(*network, generator);
  }
  return network;
}

}  // namespace drystill::generator
