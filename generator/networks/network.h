#pragma once

#include <torch/nn/module.h>
#include <torch/types.h>

#include <memory>

#include "generator/options.h"
#include "vision/options.h"

namespace drystill::generator {

// Turns latent vectors into images.
class Network : public torch::nn::Module {
 public:
  // latent [N, latent_size] -> images [N, C, H, W]: in [0, 1], or already normalised where `output_is_normalised`.
  virtual torch::Tensor forward(const torch::Tensor& latent) = 0;

  // DAFL's network ends in tanh and a batch norm without scale: it speaks the teacher's normalised input directly.
  virtual bool output_is_normalised() const = 0;
};

// Builds and initialises a network for images of `image`'s channels, height and width. Throws ConfigError where that
// network cannot make the size (it must be a multiple of 4; of 8 for dcgan at 64 pixels).
std::shared_ptr<Network> make_network(const NetworkOptions& options, const vision::ImageSpec& image,
                                      at::Generator generator);

}  // namespace drystill::generator
