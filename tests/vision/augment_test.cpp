#include "vision/augment.h"

#include <ATen/ops/allclose.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/seeds.h"
#include "tests/support/gradient_check.h"
#include "vision/options.h"

namespace drystill::vision {
namespace {

Placements placements(const std::vector<std::int64_t>& rows, const std::vector<std::int64_t>& columns,
                      const std::vector<std::int64_t>& mirror) {
  return {at::tensor(rows, torch::kLong), at::tensor(columns, torch::kLong),
          at::tensor(mirror, torch::kLong).to(torch::kBool)};
}

// What the definition says, one sample at a time: flip a crop of the padded image.
torch::Tensor one_by_one(const torch::Tensor& images, const Placements& p) {
  std::vector<torch::Tensor> results;
  const std::int64_t height = images.size(2), width = images.size(3), border = 2 * std::max(height, width);
  for (std::int64_t i = 0; i < images.size(0); ++i) {
    const auto top = border + p.rows[i].item<std::int64_t>(), left = border + p.columns[i].item<std::int64_t>();
    const auto padded = at::constant_pad_nd(images.slice(0, i, i + 1), {border, border, border, border});
    const auto crop = padded.slice(2, top, top + height).slice(3, left, left + width);
    results.push_back(p.mirror[i].item<bool>() ? crop.flip({3}) : crop);
  }
  return at::cat(results);
}

TEST(PlaceTest, MovesAndMirrorsByHand) {
  const auto images = at::arange(1, 5, torch::kByte).view({1, 1, 2, 2}).repeat({4, 1, 1, 1});  // 1 2 / 3 4
  const auto placed = place(images, placements({0, 1, 0, 0}, {0, 0, 1, 1}, {1, 0, 0, 1}));
  const auto expected = at::tensor({2, 1, 4, 3,  // mirrored
                                    3, 4, 0, 0,  // one row up
                                    2, 0, 4, 0,  // one column left
                                    0, 2, 0, 4})
                            .to(torch::kByte)
                            .view({4, 1, 2, 2});
  EXPECT_TRUE(at::equal(placed, expected)) << placed;
}

TEST(PlaceTest, EqualsCropAndFlipOfEachSample) {
  SeedStreams seeds(3);
  const auto images = at::rand({33, 3, 9, 7}, seeds.cpu_stream("images"));
  const auto drawn = draw_placements(33, {.crop_padding = 4, .flip = true, .mixup = 0}, seeds.cpu_stream("augment"));
  const auto expected = one_by_one(images, drawn);
  EXPECT_TRUE(at::equal(place(images, drawn), expected));
  EXPECT_TRUE(at::equal(place(images.contiguous(torch::MemoryFormat::ChannelsLast), drawn), expected));
  EXPECT_TRUE(at::equal(place(images.transpose(2, 3).contiguous().transpose(2, 3), drawn), expected));
  const auto bytes = images.mul(255).to(torch::kByte);
  EXPECT_TRUE(at::equal(place(bytes, drawn), one_by_one(bytes, drawn)));
}

// 1 to 4 channels of 1 to 8 bytes, both memory formats, shifts up to past the image.
TEST(PlaceTest, EqualsAGatherForEveryLayout) {
  SeedStreams seeds(5);
  for (const std::int64_t channels : {1, 2, 3, 4}) {
    for (const auto dtype : {torch::kByte, torch::kBFloat16, torch::kFloat, torch::kDouble}) {
      for (const auto format : {torch::MemoryFormat::Contiguous, torch::MemoryFormat::ChannelsLast}) {
        const auto images =
            at::rand({20, channels, 5, 7}, seeds.cpu_stream("images")).mul(200).to(dtype).contiguous(format);
        const auto drawn =
            draw_placements(20, {.crop_padding = 8, .flip = true, .mixup = 0}, seeds.cpu_stream("augment"));
        EXPECT_TRUE(at::equal(place(images, drawn), one_by_one(images, drawn))) << channels << dtype << format;
        EXPECT_TRUE(at::equal(place_by_gather(images, drawn), one_by_one(images, drawn)))
            << channels << dtype << format;
      }
    }
  }
}

TEST(PlaceTest, KeepsTheMemoryFormatAndDtype) {
  SeedStreams seeds(3);
  const auto drawn = draw_placements(4, {}, seeds.cpu_stream("augment"));
  const auto images = at::rand({4, 3, 8, 8}, seeds.cpu_stream("images"));
  EXPECT_TRUE(place(images, drawn).is_contiguous());
  const auto last = place(images.contiguous(torch::MemoryFormat::ChannelsLast).to(torch::kBFloat16), drawn);
  EXPECT_TRUE(last.is_contiguous(torch::MemoryFormat::ChannelsLast));
  EXPECT_EQ(last.scalar_type(), torch::kBFloat16);
}

TEST(PlaceTest, AShiftBeyondTheImageLeavesZeros) {
  const auto images = at::rand({2, 1, 3, 3}) + 1;
  EXPECT_EQ(place(images, placements({3, 0}, {0, -5}, {0, 1})).count_nonzero().item<std::int64_t>(), 0);
}

TEST(PlaceTest, AnEmptyBatchStaysEmpty) {
  EXPECT_EQ(place(at::zeros({0, 3, 4, 4}), placements({}, {}, {})).sizes(), (std::vector<std::int64_t>{0, 3, 4, 4}));
}

TEST(PlaceTest, GradientsAgreeWithDifferences) {
  SeedStreams seeds(4);
  const auto drawn = draw_placements(6, {.crop_padding = 2, .flip = true, .mixup = 0}, seeds.cpu_stream("augment"));
  const auto weights = at::randn({6, 2, 5, 4}, seeds.cpu_stream("weights"), torch::kDouble);
  const auto images = at::randn({6, 2, 5, 4}, seeds.cpu_stream("images"), torch::kDouble).requires_grad_();
  EXPECT_EQ(
      drystill::testing::gradient_mismatch(
          [&](const std::vector<torch::Tensor>& in) { return (place(in[0], drawn).pow(2) * weights).sum(); }, {images}),
      "");
}

TEST(AugmentTest, TheGeneratorDecides) {
  SeedStreams one(7), same(7), other(8);
  const auto images = at::rand({16, 3, 8, 8}, one.cpu_stream("images"));
  const auto first = augment(images, {}, one.cpu_stream("augment"));
  EXPECT_TRUE(at::equal(first, augment(images, {}, same.cpu_stream("augment"))));
  EXPECT_FALSE(at::equal(first, augment(images, {}, other.cpu_stream("augment"))));
  EXPECT_FALSE(at::equal(first, augment(images, {}, one.cpu_stream("augment"))));
}

// Every shift of 0..2p and both sides come up, about equally often: 4000 draws of 9 values, 444 +- 5 deviations of 20.
TEST(AugmentTest, DrawsEveryPlacementEquallyOften) {
  SeedStreams seeds(9);
  const auto drawn = draw_placements(4000, {.crop_padding = 4, .flip = true, .mixup = 0}, seeds.cpu_stream("augment"));
  for (const auto& shifts : {drawn.rows, drawn.columns}) {
    for (std::int64_t shift = -4; shift <= 4; ++shift) {
      EXPECT_NEAR(shifts.eq(shift).sum().item<double>(), 4000. / 9, 100);
    }
    EXPECT_EQ(shifts.abs().max().item<std::int64_t>(), 4);
  }
  EXPECT_NEAR(drawn.mirror.sum().item<double>(), 2000, 160);
}

// Each image is itself, or a blend of itself and one other: constant images show the two and their weights.
TEST(AugmentTest, MixesAShareOfTheImages) {
  SeedStreams seeds(3);
  const std::int64_t count = 2000;
  const auto images = at::arange(count, torch::kFloat).view({count, 1, 1, 1}).expand({count, 1, 2, 2}).contiguous();
  const auto mixed = mix(images, 0.25, seeds.cpu_stream("mix"));
  EXPECT_TRUE(at::equal(mixed.select(2, 0).select(2, 0), mixed.select(2, 1).select(2, 1)));
  const auto changed = mixed.ne(images).view({count, -1}).any(1).sum().item<double>();
  EXPECT_NEAR(changed, 500, 5 * 20);
  EXPECT_LT(mixed.max().item<double>(), count);
  EXPECT_GE(mixed.min().item<double>(), 0);
  EXPECT_TRUE(at::allclose(mix(images, 0, seeds.cpu_stream("mix")), images));
  EXPECT_GT(mix(images, 1, seeds.cpu_stream("mix")).ne(images).view({count, -1}).any(1).sum().item<double>(),
            count - 10);
}

TEST(AugmentTest, OffDrawsNothingAndReturnsTheImages) {
  SeedStreams seeds(1);
  auto stream = seeds.cpu_stream("augment");
  const auto before = stream.get_state();
  const auto images = at::rand({2, 1, 4, 4}, seeds.cpu_stream("images"));
  EXPECT_TRUE(augment(images, {.crop_padding = 0, .flip = false, .mixup = 0}, stream).is_same(images));
  EXPECT_TRUE(at::equal(before, stream.get_state()));
}

TEST(ToUnitTest, DividesBy255InEveryDtypeAndFormat) {
  const auto bytes = at::arange(256, torch::kLong).to(torch::kByte).view({4, 4, 4, 4});
  const auto expected = (at::arange(256, torch::kDouble) / 255).view({4, 4, 4, 4});
  EXPECT_TRUE(at::equal(to_unit(bytes), expected.to(torch::kFloat)));
  EXPECT_TRUE(at::allclose(to_unit(bytes, torch::kBFloat16).to(torch::kDouble), expected, 1. / 256, 0));
  EXPECT_EQ(to_unit(bytes, torch::kBFloat16).scalar_type(), torch::kBFloat16);
  EXPECT_TRUE(to_unit(bytes, torch::kFloat, torch::MemoryFormat::ChannelsLast)
                  .is_contiguous(torch::MemoryFormat::ChannelsLast));
}

ImageSpec normalised(std::int64_t channels, std::vector<double> mean, std::vector<double> stddev) {
  ImageSpec image;
  image.channels = channels;
  image.mean = std::move(mean);
  image.stddev = std::move(stddev);
  return image;
}

TEST(NormaliserTest, SubtractsTheMeanAndDividesByTheDeviation) {
  const Normaliser normalise(normalised(2, {0.5, 0.25}, {0.5, 2}));
  const auto images = at::tensor({1., 0., 0.25, 2.25}, torch::kFloat).view({1, 2, 1, 2});
  EXPECT_TRUE(at::equal(normalise(images), at::tensor({1., -1., 0., 1.}, torch::kFloat).view({1, 2, 1, 2})));
  EXPECT_EQ(normalise(images.to(torch::kBFloat16)).scalar_type(), torch::kBFloat16);
  const auto leaf = images.clone().requires_grad_();
  normalise(leaf).sum().backward();
  EXPECT_TRUE(at::equal(leaf.grad().flatten(), at::tensor({2., 2., 0.5, 0.5}, torch::kFloat)));
}

TEST(NormaliserTest, RefusesConstantsThatCannotBe) {
  EXPECT_THROW(Normaliser(normalised(1, {0.5}, {0.5, 0.5})), ConfigError);
  EXPECT_THROW(Normaliser(normalised(2, {0.5}, {0.5, 0.5})), ConfigError);
  EXPECT_THROW(Normaliser(normalised(1, {0.5}, {0.})), ConfigError);
}

TEST(NormaliserTest, ConstantsLeftEmptyChangeNothing) {
  const auto images = at::rand({3, 2, 4, 4});
  EXPECT_TRUE(at::equal(Normaliser(normalised(2, {}, {}))(images), images));
  EXPECT_TRUE(at::equal(Normaliser(normalised(2, {0.5, 0.5}, {}))(images), images - 0.5));
  EXPECT_TRUE(at::equal(Normaliser(normalised(2, {}, {0.5, 0.5}))(images), images * 2));
}

}  // namespace
}  // namespace drystill::vision
