#include "distiller/labelled_source.h"

#include <gtest/gtest.h>

#include <set>
#include <utility>
#include <vector>

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

TEST(LabelledSource, EveryEpochIsAnotherOrderWithoutWhatDoesNotFillABatch) {
  SeedStreams seeds(1);
  auto source = make_source(seeds);  // 10 images in batches of 4: two an epoch
  std::set<std::vector<std::int64_t>> orders;
  for (int epoch = 0; epoch < 4; ++epoch) {
    std::vector<std::int64_t> order;
    for (int i = 0; i < 2; ++i) {
      const auto labels = source.next({}).labels;
      for (std::int64_t k = 0; k < 4; ++k) order.push_back(labels[k].item<std::int64_t>());
    }
    EXPECT_EQ(std::set<std::int64_t>(order.begin(), order.end()).size(), 8U);
    orders.insert(std::move(order));
  }
  EXPECT_EQ(orders.size(), 4U);
}

// Saved after every number of batches from 0 to past two epoch ends.
TEST(LabelledSource, ResumedAnywhereItGoesOnTheSame) {
  for (int saved_after = 0; saved_after <= 5; ++saved_after) {
    SeedStreams seeds(5);
    auto source = make_source(seeds);
    for (int i = 0; i < saved_after; ++i) source.next({});
    State state;
    source.save(StateWriter(state, "s."));
    seeds.save(StateWriter(state, "r."));

    SeedStreams other_seeds(5);
    auto other = make_source(other_seeds);
    other.load(StateReader(state, "s."));
    other_seeds.load(StateReader(state, "r."));
    for (int i = 0; i < 5; ++i) {
      const auto expected = source.next({}), resumed = other.next({});
      ASSERT_TRUE(resumed.inputs.equal(expected.inputs)) << saved_after << " + " << i;
      ASSERT_TRUE(resumed.labels.equal(expected.labels)) << saved_after << " + " << i;
    }
  }
}

TEST(LabelledSource, RefusesAStateOfOtherData) {
  SeedStreams seeds(5);
  auto source = make_source(seeds);
  source.next({});
  State state;
  source.save(StateWriter(state, "s."));
  for (const char* position : {"-4", "11"}) {
    State damaged = state;
    damaged.values["s.position"] = position;
    EXPECT_THROW(source.load(StateReader(damaged, "s.")), InputError) << position;
  }
  state.tensors["s.order"] = torch::arange(11);
  EXPECT_THROW(source.load(StateReader(state, "s.")), InputError);
}

TEST(LabelledSource, RefusesABatchLargerThanTheData) {
  SeedStreams seeds(1);
  EXPECT_THROW(make_source(seeds, 11), InputError);
}

}  // namespace
}  // namespace drystill::distiller
