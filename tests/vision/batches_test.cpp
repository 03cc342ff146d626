#include "vision/datasets/batches.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "core/seeds.h"
#include "tests/vision/fixtures.h"
#include "vision/datasets/memory_images.h"

namespace drystill::vision {
namespace {

// Sample i is one pixel of value i with label i.
std::shared_ptr<const ImageSource> numbered(std::int64_t count) {
  const torch::Tensor numbers = at::arange(count, torch::kLong);
  return std::make_shared<MemoryImages>(LabelledImages{numbers.to(torch::kByte).view({count, 1, 1, 1}), numbers});
}

torch::Tensor labels_of_epoch(ShuffledBatches& batches) {
  std::vector<torch::Tensor> labels;
  for (std::int64_t i = 0; i < batches.batches_per_epoch(); ++i) labels.push_back(batches.next().labels);
  return at::cat(labels);
}

TEST(ShuffledBatchesTest, AnEpochHasEverySampleOnceAndImagesKeepTheirLabels) {
  SeedStreams seeds(1);
  ShuffledBatches batches(numbered(12), 4, seeds.cpu_stream("data"));
  EXPECT_EQ(batches.batches_per_epoch(), 3);
  std::vector<torch::Tensor> labels;
  for (int i = 0; i < 3; ++i) {
    const LabelledImages batch = batches.next();
    EXPECT_TRUE(at::equal(batch.images.flatten().to(torch::kLong), batch.labels));
    labels.push_back(batch.labels);
  }
  const torch::Tensor order = at::cat(labels);
  EXPECT_TRUE(at::equal(std::get<0>(order.sort()), at::arange(12, torch::kLong)));
  EXPECT_FALSE(at::equal(order, at::arange(12, torch::kLong)));
  EXPECT_EQ(batches.epoch(), 0);
  EXPECT_FALSE(at::equal(labels_of_epoch(batches), order));
  EXPECT_EQ(batches.epoch(), 1);
}

TEST(ShuffledBatchesTest, LeavesOutWhatDoesNotFillABatch) {
  SeedStreams seeds(1);
  ShuffledBatches batches(numbered(11), 4, seeds.cpu_stream("data"));
  EXPECT_EQ(batches.batches_per_epoch(), 2);
  for (int i = 0; i < 7; ++i) EXPECT_EQ(batches.next().labels.size(0), 4);
  EXPECT_EQ(batches.epoch(), 3);
}

TEST(ShuffledBatchesTest, TheSeedDecidesTheOrder) {
  SeedStreams one(1), same(1), other(2);
  ShuffledBatches a(numbered(100), 100, one.cpu_stream("data"));
  ShuffledBatches b(numbered(100), 100, same.cpu_stream("data"));
  ShuffledBatches c(numbered(100), 100, other.cpu_stream("data"));
  const torch::Tensor order = a.next().labels;
  EXPECT_TRUE(at::equal(order, b.next().labels));
  EXPECT_FALSE(at::equal(order, c.next().labels));
}

// Saved after every number of batches from 0 to past two epoch ends, and resumed in new objects with another seed
// state.
TEST(ShuffledBatchesTest, ResumesExactlyAnywhere) {
  for (int saved_after = 0; saved_after <= 7; ++saved_after) {
    SeedStreams seeds(5);
    ShuffledBatches original(numbered(10), 3, seeds.cpu_stream("data"));
    for (int i = 0; i < saved_after; ++i) original.next();
    State state;
    seeds.save(StateWriter(state, "seeds."));
    original.save(StateWriter(state, "batches."));

    SeedStreams resumed_seeds(5);
    ShuffledBatches resumed(numbered(10), 3, resumed_seeds.cpu_stream("data"));
    resumed_seeds.load(StateReader(state, "seeds."));
    resumed.load(StateReader(state, "batches."));
    for (int i = 0; i < 8; ++i) {
      ASSERT_TRUE(at::equal(original.next().labels, resumed.next().labels)) << saved_after << " + " << i;
      ASSERT_EQ(original.epoch(), resumed.epoch());
    }
  }
}

TEST(ShuffledBatchesTest, RefusesAStateOfOtherData) {
  SeedStreams seeds(1);
  State state;
  ShuffledBatches(numbered(10), 3, seeds.cpu_stream("data")).save(StateWriter(state));
  ShuffledBatches larger(numbered(11), 3, seeds.cpu_stream("data"));
  const std::string message = testing::input_error_of([&] { larger.load(StateReader(state)); });
  EXPECT_TRUE(testing::contains(message, "size 10, this one has 11")) << message;
  state.values["size"] = "11";
  state.values["position"] = "4";
  EXPECT_TRUE(testing::contains(testing::input_error_of([&] { larger.load(StateReader(state)); }), "position 4"));
}

TEST(ShuffledBatchesTest, RefusesABatchLargerThanTheSplit) {
  SeedStreams seeds(1);
  EXPECT_THROW(ShuffledBatches(numbered(3), 4, seeds.cpu_stream("data")), ConfigError);
  EXPECT_THROW(ShuffledBatches(numbered(3), 0, seeds.cpu_stream("data")), ConfigError);
  EXPECT_NO_THROW(ShuffledBatches(numbered(3), 3, seeds.cpu_stream("data")));
}

TEST(InOrderTest, GivesEverySampleOnceAndASmallerLastBatch) {
  auto stream = in_order(numbered(7), 3);
  std::vector<std::int64_t> sizes;
  std::vector<torch::Tensor> labels;
  while (auto batch = stream->next()) {
    sizes.push_back(batch->labels.size(0));
    labels.push_back(batch->labels);
  }
  EXPECT_EQ(sizes, (std::vector<std::int64_t>{3, 3, 1}));
  EXPECT_TRUE(at::equal(at::cat(labels), at::arange(7, torch::kLong)));
  EXPECT_FALSE(stream->next().has_value());
}

TEST(InOrderTest, AStreamKeepsItsSourceAlive) {
  auto source = numbered(4);
  auto stream = in_order(source, 4);
  source.reset();
  EXPECT_TRUE(at::equal(stream->next()->labels, at::arange(4, torch::kLong)));
}

}  // namespace
}  // namespace drystill::vision
