#include "vision/datasets/dataset.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/equal.h>
#include <gtest/gtest.h>

#include "vision/datasets/memory_images.h"

namespace drystill::vision {
namespace {

// Sample i is one pixel of value i with label i.
std::shared_ptr<const ImageSource> numbered(std::int64_t count) {
  const torch::Tensor numbers = at::arange(count, torch::kLong);
  return std::make_shared<MemoryImages>(LabelledImages{numbers.to(torch::kByte).view({count, 1, 1, 1}), numbers});
}

TEST(InOrderTest, GivesEverySampleOnceAndASmallerLastBatch) {
  auto stream = numbered(7)->in_order(3);
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
  auto stream = source->in_order(4);
  source.reset();
  EXPECT_TRUE(at::equal(stream->next()->labels, at::arange(4, torch::kLong)));
}

}  // namespace
}  // namespace drystill::vision
