#include "vision/image_grid.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/full.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <opencv2/imgcodecs.hpp>

#include "tests/support/temporary_folder.h"

namespace drystill::vision {
namespace {

using drystill::testing::TemporaryFolder;

torch::Tensor decoded(const std::vector<std::uint8_t>& png) {  // [H, W, 3] RGB
  const cv::Mat image = cv::imdecode(png, cv::IMREAD_COLOR);
  return at::from_blob(image.data, {image.rows, image.cols, 3}, torch::kByte).flip({2}).clone();
}

// Dark pixels of the strip below the first image: text.
std::int64_t ink(const torch::Tensor& grid, std::int64_t image_bottom) {
  return grid.slice(1, image_bottom).to(torch::kInt).sum(0).lt(300).sum().item<std::int64_t>();
}

TEST(ImageGridTest, APngDecodesToTheSamePixels) {
  const auto image = at::arange(2 * 3 * 5, torch::kByte).view({3, 2, 5}) * 8;
  EXPECT_TRUE(at::equal(decoded(encode_png(image)), image.permute({1, 2, 0})));
  const auto grey = at::arange(10, torch::kByte).view({1, 2, 5});
  EXPECT_TRUE(at::equal(decoded(encode_png(grey)), grey.expand({3, 2, 5}).permute({1, 2, 0})));
}

TEST(ImageGridTest, EnlargesByAWholeFactorWithoutBlur) {
  // 112 / 2 = 56 pixels for each pixel, 12 of white around.
  const auto image = at::tensor({10, 20, 30, 40}).to(torch::kByte).view({1, 1, 2, 2});
  const auto grid = draw_grid(image, {});
  EXPECT_EQ(grid.sizes(), (std::vector<std::int64_t>{3, 136, 136}));
  const auto inside = grid.slice(1, 12, 124).slice(2, 12, 124);
  const auto expected = image[0][0].repeat_interleave(56, 0).repeat_interleave(56, 1).expand({3, 112, 112});
  EXPECT_TRUE(at::equal(inside, expected));
  EXPECT_TRUE(grid.slice(1, 0, 12).eq(255).all().item<bool>());
}

TEST(ImageGridTest, FloatsAreClampedAndRounded) {
  const auto values = at::tensor({-1.F, 0.5F, 2.F, std::numeric_limits<float>::quiet_NaN()});
  const auto grid = draw_grid(values.view({4, 1, 1, 1}).to(torch::kFloat), {}, 4);
  const std::vector<std::int64_t> expected{0, 128, 255, 0};
  for (std::int64_t i = 0; i < 4; ++i) {
    EXPECT_EQ(grid[0][50][12 + 124 * i + 50].item<std::int64_t>(), expected[static_cast<std::size_t>(i)]) << i;
  }
}

TEST(ImageGridTest, ColoursStayInOrder) {
  const auto image = at::tensor({200, 100, 50}).to(torch::kByte).view({1, 3, 1, 1}).expand({1, 3, 28, 28});
  const auto grid = draw_grid(image, {});
  EXPECT_TRUE(at::equal(grid.select(1, 60).select(1, 60), at::tensor({200, 100, 50}).to(torch::kByte)));
}

TEST(ImageGridTest, OfOtherChannelsTheFirstAreDrawn) {
  const auto images = at::rand({2, 5, 4, 4});
  EXPECT_TRUE(at::equal(draw_grid(images, {}), draw_grid(images.narrow(1, 0, 3), {})));
  EXPECT_TRUE(at::equal(draw_grid(images.narrow(1, 0, 2), {}), draw_grid(images.narrow(1, 0, 1), {})));
}

TEST(ImageGridTest, IsNearlySquareOrAsWideAsTold) {
  const auto images = at::zeros({7, 1, 28, 28}, torch::kByte);
  EXPECT_EQ(draw_grid(images, {}).sizes(), (std::vector<std::int64_t>{3, 3 * 124 + 12, 3 * 124 + 12}));
  EXPECT_EQ(draw_grid(images, {}, 7).sizes(), (std::vector<std::int64_t>{3, 124 + 12, 7 * 124 + 12}));
  EXPECT_EQ(draw_grid(images, {}, 100).size(2), 7 * 124 + 12);
}

TEST(ImageGridTest, LargeImagesKeepTheirSize) {
  EXPECT_EQ(draw_grid(at::zeros({1, 3, 200, 150}, torch::kByte), {}).sizes(), (std::vector<std::int64_t>{3, 224, 174}));
}

TEST(ImageGridTest, DrawsNameAndConfidence) {
  const auto image = at::full({1, 1, 28, 28}, 255, torch::kByte);
  const auto bare = draw_grid(image, {Caption{}});
  const auto named = draw_grid(image, {Caption{.name = "Sneaker", .confidence = std::nullopt}});
  const auto half = draw_grid(image, {Caption{.name = "Sneaker", .confidence = 0.5}});
  EXPECT_EQ(ink(bare, 124), 0);
  EXPECT_GT(ink(named, 124), 30);
  EXPECT_GT(ink(half, 124), ink(named, 124));
  // The bar is filled to the middle: 12 + 56 = 68.
  const auto bar = half.select(1, 124 + 4).to(torch::kInt).sum(0);
  EXPECT_LT(bar[66].item<int>(), 500);
  EXPECT_GT(bar[70].item<int>(), 600);
}

TEST(ImageGridTest, OddCaptionsNeverLeaveTheirCell) {
  const auto images = at::zeros({2, 1, 28, 28}, torch::kByte);
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const auto grid = draw_grid(images, {Caption{std::string(500, 'W'), 7.}, Caption{"Stra\xc3\x9f"
                                                                                   "e\n",
                                                                                   nan}});
  EXPECT_EQ(grid.size(2), 2 * 124 + 12);
  EXPECT_TRUE(grid.slice(2, 124, 136).eq(255).all().item<bool>());
  EXPECT_TRUE(grid.slice(2, 248, 260).eq(255).all().item<bool>());
}

}  // namespace
}  // namespace drystill::vision
