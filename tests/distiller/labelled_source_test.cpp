#include "distiller/labelled_source.h"

#include <gtest/gtest.h>

#include <set>

#include "core/error.h"
#include "tests/distiller/fakes.h"

namespace drystill::distiller {
namespace {

std::shared_ptr<testing::FixedImages> ten_images() {
  const auto images = torch::arange(10, torch::kUInt8).view({10, 1, 1, 1}).expand({10, 1, 32, 32}).contiguous();
  return std::make_shared<testing::FixedImages>(images, torch::arange(10));
}

LabelledSource make_source(SeedStreams& seeds, std::int64_t batch = 4) {
  return LabelledSource(ten_images(), testing::tiny_image(), {.crop_padding = 2, .flip = true, .mixup = 0}, batch,
                        torch::kCPU, torch::kFloat32, seeds);
}

TEST(LabelledSource, AnEpochSeesEveryImageAtMostOnceAndNormalised) {
  SeedStreams seeds(1);
  auto source = LabelledSource(ten_images(), testing::tiny_image(), {.crop_padding = 0, .flip = false, .mixup = 0}, 5,
                               torch::kCPU, torch::kFloat32, seeds);
  std::set<std::int64_t> seen;
  for (int i = 0; i < 2; ++i) {
    const auto batch = source.next({});
    for (std::int64_t k = 0; k < 5; ++k) {
      const auto label = batch.labels[k].item<std::int64_t>();
      EXPECT_TRUE(seen.insert(label).second) << "image " << label << " twice in one epoch";
      EXPECT_NEAR(batch.inputs[k][0][0][0].item<double>(), (label / 255.0 - 0.3) / 0.4, 1e-5);
    }
  }
}

TEST(LabelledSource, ResumedInTheMiddleOfAnEpochItGoesOnTheSame) {
  SeedStreams seeds(5);
  auto source = make_source(seeds);
  source.next({});
  State state;
  source.save(StateWriter(state, "s."));
  seeds.save(StateWriter(state, "r."));
  std::vector<torch::Tensor> expected;
  for (int i = 0; i < 5; ++i) expected.push_back(source.next({}).inputs);

  SeedStreams other_seeds(5);
  auto other = make_source(other_seeds);
  other.load(StateReader(state, "s."));
  other_seeds.load(StateReader(state, "r."));
  for (const auto& inputs : expected) EXPECT_TRUE(other.next({}).inputs.equal(inputs));
}

TEST(LabelledSource, RefusesABatchLargerThanTheData) {
  SeedStreams seeds(1);
  EXPECT_THROW(make_source(seeds, 11), InputError);
}

}  // namespace
}  // namespace drystill::distiller
