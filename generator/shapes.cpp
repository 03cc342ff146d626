#include "generator/shapes.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/full.h>
#include <ATen/ops/maximum.h>
#include <ATen/ops/minimum.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/upsample_bilinear2d.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <utility>

namespace drystill::generator {
namespace {

// Lengths are in half image sides: the picture spans -1 to 1.
constexpr std::int64_t kMostShapes = 4;
constexpr double kCentreSpread = 0.3;
constexpr double kSmallestRadius = 0.12, kLargestRadius = 1;
constexpr double kUprightShare = 0.5, kBlackShare = 0.15, kTexturedShare = 0.5;
constexpr std::int64_t kFewestCorners = 3, kMostCorners = 6;
constexpr std::int64_t kCoarsestTexture = 2, kFinestTexture = 15;  // cells a side
constexpr double kDeepestTexture = 0.8;

// Every draw below is [count, 1, 1]: one number an image, ready to meet a map [height, width].
class Draws {
 public:
  Draws(std::int64_t count, at::Generator random) : count_(count), random_(std::move(random)) {}

  torch::Tensor unit() { return at::rand({count_, 1, 1}, random_, at::TensorOptions(at::kFloat)); }
  torch::Tensor normal() { return at::randn({count_, 1, 1}, random_, at::TensorOptions(at::kFloat)); }
  torch::Tensor integer(std::int64_t low, std::int64_t high) {
    return at::randint(low, high + 1, {count_, 1, 1}, random_, at::TensorOptions(at::kLong));
  }
  torch::Tensor happens(double share) { return unit() < share; }

  std::int64_t count() const { return count_; }
  at::Generator& random() { return random_; }

 private:
  std::int64_t count_;
  at::Generator random_;
};

torch::Tensor pixel_centres(std::int64_t pixels) {
  return (at::arange(pixels, at::TensorOptions(at::kFloat)) + 0.5) * (2.0 / static_cast<double>(pixels)) - 1;
}

// The convex polygon around the unit circle: the largest of its sides' distances.
torch::Tensor polygon_distance(const torch::Tensor& u, const torch::Tensor& v, Draws& draws) {
  const torch::Tensor corners = draws.integer(kFewestCorners, kMostCorners), turn = draws.unit();
  torch::Tensor distance = at::full_like(u, -std::numeric_limits<float>::infinity());
  for (std::int64_t side = 0; side < kMostCorners; ++side) {
    const torch::Tensor angle =
        (turn + 0.5 * draws.unit() + static_cast<double>(side)) * (2 * std::numbers::pi) / corners;
    const torch::Tensor here = u * angle.cos() + v * angle.sin();
    distance = at::where(corners > side, at::maximum(distance, here), distance);
  }
  return distance;
}

// How much of each pixel one shape covers, [count, 1, height, width] in [0, 1].
torch::Tensor shape_mask(std::int64_t height, std::int64_t width, Draws& draws) {
  const torch::Tensor x = pixel_centres(width).view({1, 1, width}) - kCentreSpread * draws.normal();
  const torch::Tensor y = pixel_centres(height).view({1, height, 1}) - kCentreSpread * draws.normal();
  const auto radius = [&] {
    return kSmallestRadius * (draws.unit() * std::log(kLargestRadius / kSmallestRadius)).exp();
  };
  const torch::Tensor radius_u = radius(), radius_v = radius();
  const torch::Tensor upright = draws.happens(kUprightShare);
  const torch::Tensor angle = at::where(upright, 0.0, draws.unit() * std::numbers::pi);
  const torch::Tensor u = (x * angle.cos() + y * angle.sin()) / radius_u;
  const torch::Tensor v = (y * angle.cos() - x * angle.sin()) / radius_v;

  const torch::Tensor kind = draws.integer(0, 2);
  const torch::Tensor ellipse = (u * u + v * v).sqrt(), rectangle = at::maximum(u.abs(), v.abs());
  const torch::Tensor distance =
      at::where(kind == 0, ellipse, at::where(kind == 1, rectangle, polygon_distance(u, v, draws))) - 1;
  // In pixels, roughly: exact along the shorter axis.
  const double half_side = static_cast<double>(std::min(height, width)) / 2;
  return (0.5 - distance * at::minimum(radius_u, radius_v) * half_side).clamp(0, 1).unsqueeze(1);
}

// What a shape is painted with, [count, channels, height, width].
torch::Tensor shape_paint(std::int64_t channels, std::int64_t height, std::int64_t width, Draws& draws) {
  const torch::TensorOptions floats(at::kFloat);
  const torch::Tensor black = draws.happens(kBlackShare).unsqueeze(1);
  const torch::Tensor brightness =
      at::where(black, 0.0, at::rand({draws.count(), channels, 1, 1}, draws.random(), floats).sqrt());
  const auto cells =
      at::randint(kCoarsestTexture, kFinestTexture + 1, {1}, draws.random(), at::TensorOptions(at::kLong))
          .item<std::int64_t>();
  const torch::Tensor noise = at::upsample_bilinear2d(
      at::rand({draws.count(), channels, cells, cells}, draws.random(), floats), {height, width},
      /*align_corners=*/true);
  const torch::Tensor depth =
      at::where(draws.happens(kTexturedShare), kDeepestTexture * draws.unit(), 0.0).unsqueeze(1);
  return brightness * (1 - depth * (1 - noise));
}

}  // namespace

torch::Tensor draw_shapes(std::int64_t count, std::int64_t channels, std::int64_t height, std::int64_t width,
                          at::Generator random) {
  Draws draws(count, std::move(random));
  const torch::Tensor shapes = draws.integer(1, kMostShapes).unsqueeze(1);
  torch::Tensor images = at::zeros({count, channels, height, width}, at::TensorOptions(at::kFloat));
  for (std::int64_t layer = 0; layer < kMostShapes; ++layer) {
    const torch::Tensor mask = shape_mask(height, width, draws) * (shapes > layer);
    images = images + mask * (shape_paint(channels, height, width, draws) - images);
  }
  return images;
}

}  // namespace drystill::generator
