#include "generator/shapes.h"

#include <gtest/gtest.h>

#include "core/seeds.h"

namespace drystill::generator {
namespace {

TEST(Shapes, LieOnBlackInUnitRange) {
  SeedStreams seeds(3);
  const auto images = draw_shapes(400, 3, 24, 32, seeds.cpu_stream("shapes"));
  ASSERT_EQ(images.sizes(), (std::vector<std::int64_t>{400, 3, 24, 32}));
  EXPECT_GE(images.min().item<double>(), 0);
  EXPECT_LE(images.max().item<double>(), 1);
  EXPECT_GT((images == 0).to(torch::kFloat32).mean().item<double>(), 0.4) << "most of a picture is background";
  const auto lit = images.flatten(1).amax(1) > 0.05;
  EXPECT_GT(lit.sum().item<std::int64_t>(), 340) << "a picture with nothing in it is rare";
}

TEST(Shapes, EverySeedDrawsItsOwn) {
  SeedStreams seeds(3), same(3), other(4);
  const auto images = draw_shapes(8, 1, 32, 32, seeds.cpu_stream("shapes"));
  EXPECT_TRUE(images.equal(draw_shapes(8, 1, 32, 32, same.cpu_stream("shapes"))));
  EXPECT_FALSE(images.equal(draw_shapes(8, 1, 32, 32, other.cpu_stream("shapes"))));
  EXPECT_FALSE(images[0].equal(images[1]));
}

TEST(Shapes, EdgesAreSmoothOverAPixelAndInsidesAreNot) {
  // Almost all pixels are wholly inside or outside: twice the side length, a shape has four times the area and twice
  // the edge, so the share of partly covered pixels halves.
  SeedStreams seeds(5);
  const auto share = [&](std::int64_t side) {
    const auto images = draw_shapes(300, 1, side, side, seeds.cpu_stream("shapes"));
    const auto step = (images.narrow(3, 1, side - 1) - images.narrow(3, 0, side - 1)).abs();
    return (step > 0.1).to(torch::kFloat32).mean().item<double>();
  };
  const double small = share(32), large = share(128);
  EXPECT_LT(large, small * 0.6);
}

}  // namespace
}  // namespace drystill::generator
