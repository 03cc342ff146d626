#include "vision/datasets/cifar.h"

#include <ATen/ops/equal.h>
#include <gtest/gtest.h>

#include "tests/support/temporary_folder.h"
#include "tests/vision/fixtures.h"
#include "vision/datasets/memory_images.h"

namespace drystill::vision {
namespace {

using drystill::testing::TemporaryFolder;
using testing::Bytes;
using testing::contains;
using testing::input_error_of;
using testing::write_file;

constexpr ExpectedImages kTen{.channels = 3, .height = 32, .width = 32, .classes = 10};
constexpr ExpectedImages kHundred{.channels = 3, .height = 32, .width = 32, .classes = 100};

// Red, green and blue planes of constant values.
Bytes record(const Bytes& labels, std::uint8_t red, std::uint8_t green, std::uint8_t blue) {
  Bytes bytes = labels;
  for (const std::uint8_t value : {red, green, blue}) bytes.insert(bytes.end(), 32 * 32, value);
  return bytes;
}

Bytes operator+(Bytes a, const Bytes& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

const LabelledImages& all_of(const std::shared_ptr<const ImageSource>& source) {
  return dynamic_cast<const MemoryImages&>(*source).all();
}

TEST(CifarTest, ReadsTheTenClassTestSplitWithoutTrainingFiles) {
  TemporaryFolder folder;
  write_file(folder / "test_batch.bin", record({7}, 1, 2, 3) + record({0}, 4, 5, 6));
  const auto source = open_cifar({.root = folder.path(), .classes = 10}, Split::kTest, kTen);
  EXPECT_EQ(all_of(source).images.sizes(), (std::vector<std::int64_t>{2, 3, 32, 32}));
  const auto planes = all_of(source).images.to(torch::kFloat).mean({2, 3});
  EXPECT_TRUE(at::equal(planes, at::tensor({1.F, 2.F, 3.F, 4.F, 5.F, 6.F}).view({2, 3})));
  EXPECT_TRUE(at::equal(all_of(source).labels, at::tensor({7, 0}, torch::kLong)));
}

TEST(CifarTest, JoinsTheFiveTrainingFilesInOrder) {
  TemporaryFolder folder;
  for (std::uint8_t i = 1; i <= 5; ++i) {
    write_file(folder / ("data_batch_" + std::to_string(i) + ".bin"), record({i}, i, i, i));
  }
  const auto source = open_cifar({.root = folder.path(), .classes = 10}, Split::kTrain, kTen);
  EXPECT_TRUE(at::equal(all_of(source).labels, at::arange(1, 6, torch::kLong)));
}

TEST(CifarTest, TakesTheFineLabelOfTheHundred) {
  TemporaryFolder folder;
  write_file(folder / "train.bin", record({19, 99}, 1, 2, 3));
  const auto source = open_cifar({.root = folder.path(), .classes = 100}, Split::kTrain, kHundred);
  EXPECT_EQ(all_of(source).labels.item<std::int64_t>(), 99);
  EXPECT_EQ(all_of(source).images.select(1, 0).max().item<int>(), 1);
}

TEST(CifarTest, PadsToALargerInput) {
  TemporaryFolder folder;
  write_file(folder / "test.bin", record({0, 5}, 1, 1, 1));
  const auto source = open_cifar({.root = folder.path(), .classes = 100}, Split::kTest,
                                 {.channels = 3, .height = 36, .width = 34, .classes = 100});
  EXPECT_EQ(all_of(source).images.sizes(), (std::vector<std::int64_t>{1, 3, 36, 34}));
  EXPECT_EQ(all_of(source).images.sum().item<std::int64_t>(), 3 * 32 * 32);
  EXPECT_EQ(all_of(source).images.slice(2, 2, 34).slice(3, 1, 33).min().item<int>(), 1);
}

TEST(CifarTest, RefusesFilesThatAreNotWholeRecords) {
  TemporaryFolder folder;
  const Bytes whole = record({1}, 0, 0, 0);
  for (const std::size_t length : {0, 1, 3072, 3074}) {
    Bytes bytes = whole;
    bytes.resize(length);
    write_file(folder / "test_batch.bin", bytes);
    const std::string message =
        input_error_of([&] { open_cifar({.root = folder.path(), .classes = 10}, Split::kTest, kTen); });
    EXPECT_TRUE(contains(message, "test_batch.bin") && contains(message, "got " + std::to_string(length) + " bytes"))
        << message;
  }
}

TEST(CifarTest, RefusesWhatDoesNotFit) {
  TemporaryFolder folder;
  const CifarDataset options{.root = folder.path(), .classes = 10};
  EXPECT_TRUE(contains(input_error_of([&] { open_cifar(options, Split::kTrain, kTen); }), "data_batch_1.bin"));
  EXPECT_TRUE(contains(input_error_of([&] { open_cifar(options, Split::kTrain, kHundred); }), "100 classes"));
  EXPECT_TRUE(contains(input_error_of([&] {
                         open_cifar(options, Split::kTrain, {.channels = 3, .height = 28, .width = 28, .classes = 10});
                       }),
                       "3 x 28 x 28"));
  write_file(folder / "test_batch.bin", record({10}, 0, 0, 0));
  EXPECT_TRUE(contains(input_error_of([&] { open_cifar(options, Split::kTest, kTen); }), "label 10, expected 0 to 9"));
}

}  // namespace
}  // namespace drystill::vision
