#include <gtest/gtest.h>

#include "core/error.h"
#include "tests/support/temporary_folder.h"
#include "tests/vision/fixtures.h"
#include "vision/datasets/dataset.h"

namespace drystill::vision {
namespace {

using drystill::testing::TemporaryFolder;

constexpr ExpectedImages kExpected{.channels = 1, .height = 1, .width = 1, .classes = 2};

TEST(OpenDatasetTest, TheTestSplitNeedsNoTrainingFile) {
  TemporaryFolder folder;
  testing::write_file(folder / "images", {0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 9});
  testing::write_file(folder / "labels", {0, 0, 8, 1, 0, 0, 0, 1, 1});
  const IdxDataset options{.train_images = folder / "missing",
                           .train_labels = folder / "missing",
                           .test_images = folder / "images",
                           .test_labels = folder / "labels"};
  EXPECT_EQ(open_dataset(options, Split::kTest, kExpected)->size(), 1);
  EXPECT_THROW(open_dataset(options, Split::kTrain, kExpected), InputError);
}

TEST(OpenDatasetTest, ASplitThatIsNotNamedIsAConfigurationError) {
  for (const DatasetOptions& options :
       {DatasetOptions(IdxDataset{}), DatasetOptions(CifarDataset{}), DatasetOptions(ImageFolderDataset{})}) {
    for (const Split split : {Split::kTrain, Split::kTest}) {
      EXPECT_THROW(open_dataset(options, split, kExpected), ConfigError);
    }
  }
}

TEST(OpenDatasetTest, ReachesEveryFormat) {
  TemporaryFolder folder;
  const ExpectedImages cifar{.channels = 3, .height = 32, .width = 32, .classes = 10};
  testing::write_file(folder / "test_batch.bin", std::vector<std::uint8_t>(3073, 1));
  EXPECT_EQ(open_dataset(CifarDataset{.root = folder.path(), .classes = 10}, Split::kTest, cifar)->size(), 1);
  ImageFolderDataset images;
  images.test = folder.path();
  EXPECT_TRUE(
      testing::contains(testing::input_error_of([&] { open_dataset(images, Split::kTest, kExpected); }), "subfolder"));
}

}  // namespace
}  // namespace drystill::vision
