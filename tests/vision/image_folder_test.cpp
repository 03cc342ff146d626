#include "vision/datasets/image_folder.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>

#include "tests/support/temporary_folder.h"
#include "tests/vision/fixtures.h"

namespace drystill::vision {
namespace {

using drystill::testing::TemporaryFolder;
using testing::Bytes;
using testing::contains;
using testing::input_error_of;
using testing::write_file;

constexpr ExpectedImages kExpected{.channels = 3, .height = 8, .width = 8, .classes = 2};

// A PNG of one colour, but for a red, green and blue first row.
void write_image(const std::filesystem::path& path, int width, int height, std::uint8_t value) {
  cv::Mat image(height, width, CV_8UC3, cv::Scalar::all(value));
  image.row(0).setTo(cv::Scalar(3, 2, 1));  // OpenCV's order: blue, green, red
  std::filesystem::create_directories(path.parent_path());
  ASSERT_TRUE(cv::imwrite(path.string(), image));
}

ImageFolderDataset pool(std::int64_t workers, std::int64_t queue) {
  ImageFolderDataset options;
  options.workers = workers;
  options.queue = queue;
  return options;
}

ImageFolderDataset resized_by(Resize resize) {
  ImageFolderDataset options;
  options.resize = resize;
  return options;
}

class ImageFolderTest : public ::testing::Test {
 protected:
  void fill(int per_class) {
    for (int i = 0; i < per_class; ++i) {
      const std::string name = std::to_string(100 + i) + ".png";
      write_image(folder_ / "cat" / name, 8, 8, static_cast<std::uint8_t>(10 + i));
      write_image(folder_ / "dog" / "deeper" / name, 8, 8, static_cast<std::uint8_t>(110 + i));
    }
  }
  std::shared_ptr<const ImageSource> open(const ImageFolderDataset& options = {},
                                          const ExpectedImages& expected = kExpected) const {
    return open_image_folder(folder_.path(), options, expected);
  }
  LabelledImages read_all(const ImageFolderDataset& options = {}, const ExpectedImages& expected = kExpected) const {
    const auto source = open(options, expected);
    return source->in_order(source->size())->next().value();
  }
  std::string error(const ExpectedImages& expected = kExpected) const {
    return input_error_of([&] { read_all({}, expected); });
  }

  TemporaryFolder folder_;
};

TEST_F(ImageFolderTest, ReadsClassesInTheOrderOfTheirNamesAsRgbPlanes) {
  fill(2);
  write_file(folder_ / "cat" / "notes.txt", {1});
  write_file(folder_ / ".hidden" / "1.png", {1});
  const LabelledImages all = read_all();
  EXPECT_TRUE(at::equal(all.labels, at::tensor({0, 0, 1, 1}, torch::kLong)));
  EXPECT_EQ(all.images.sizes(), (std::vector<std::int64_t>{4, 3, 8, 8}));
  EXPECT_TRUE(at::equal(all.images.select(2, 0).select(2, 0)[0], at::tensor({1, 2, 3}).to(torch::kByte)));
  const auto last_row = all.images.select(2, 7);
  for (const auto& [sample, value] : {std::pair{0, 10}, {1, 11}, {2, 110}, {3, 111}}) {
    EXPECT_TRUE(last_row[sample].eq(value).all().item<bool>()) << sample;
  }
}

// More batches than the queue holds, in a shuffled order, for 1, 2 and 4 workers.
TEST_F(ImageFolderTest, TheResultDoesNotDependOnWorkersOrQueue) {
  fill(20);
  const auto order = at::arange(40, torch::kLong).flip({0}).view({8, 5}).t().contiguous().flatten();
  const LabelledImages all = read_all();
  for (const std::int64_t workers : {1, 2, 4, 0}) {
    for (const std::int64_t queue : {1, 3, 100}) {
      const auto stream = open(pool(workers, queue))->stream(order, 7);
      std::vector<torch::Tensor> images, labels;
      while (auto batch = stream->next()) {
        images.push_back(batch->images);
        labels.push_back(batch->labels);
      }
      EXPECT_EQ(images.size(), 6U);
      EXPECT_EQ(images.back().size(0), 5);
      EXPECT_TRUE(at::equal(at::cat(images), all.images.index_select(0, order))) << workers << " " << queue;
      EXPECT_TRUE(at::equal(at::cat(labels), all.labels.index_select(0, order))) << workers << " " << queue;
    }
  }
}

TEST_F(ImageFolderTest, AStreamMayBeLeftEarlyAndOutlivesItsSource) {
  fill(20);
  auto stream = open(pool(2, 8))->in_order(2);
  EXPECT_TRUE(stream->next().has_value());
  stream.reset();
}

TEST_F(ImageFolderTest, CutsTheMiddleOutOrStretches) {
  cv::Mat wide(8, 24, CV_8UC1, cv::Scalar(0));
  wide.colRange(8, 16).setTo(200);
  std::filesystem::create_directories(folder_ / "a");
  ASSERT_TRUE(cv::imwrite(folder_ / "a/1.png", wide));
  const ExpectedImages expected{.channels = 1, .height = 8, .width = 8, .classes = 1};
  EXPECT_TRUE(read_all(resized_by(Resize::kCrop), expected).images.eq(200).all().item<bool>());
  // Three columns become one: 0 0 | 0 .. 200 | .. 0 0, and the mean stays.
  const auto stretched = read_all(resized_by(Resize::kStretch), expected).images.to(torch::kFloat);
  EXPECT_EQ(stretched.select(3, 0).max().item<float>(), 0);
  EXPECT_NEAR(stretched.mean().item<float>(), 200. / 3, 1);
}

TEST_F(ImageFolderTest, GrowsSmallImagesAndShrinksLongOnes) {
  write_image(folder_ / "a" / "1.png", 3, 2, 50);
  write_image(folder_ / "a" / "2.png", 1, 5000, 50);
  const LabelledImages all = read_all({}, {.channels = 3, .height = 8, .width = 8, .classes = 1});
  EXPECT_EQ(all.images.size(0), 2);
  EXPECT_TRUE(all.images[1].eq(50).all().item<bool>());
}

TEST_F(ImageFolderTest, RefusesFoldersThatDoNotFit) {
  EXPECT_TRUE(contains(error(), "2 classes, got 0 subfolders"));
  fill(1);
  EXPECT_TRUE(contains(error({.channels = 3, .height = 8, .width = 8, .classes = 3}), "got 2 subfolders"));
  EXPECT_TRUE(contains(error({.channels = 4, .height = 8, .width = 8, .classes = 2}), "1 or 3 channels"));
  std::filesystem::remove_all(folder_ / "dog" / "deeper");
  EXPECT_TRUE(contains(error(), (folder_ / "dog").string()) && contains(error(), "got none"));
  EXPECT_TRUE(contains(input_error_of([&] { open_image_folder(folder_ / "missing", {}, kExpected); }), "missing"));
}

TEST_F(ImageFolderTest, NamesTheFileThatCannotBeDecoded) {
  fill(3);
  const std::string bad = folder_ / "dog/deeper/101.png";
  std::ifstream file(folder_ / "dog/deeper/100.png", std::ios::binary);
  const Bytes whole{std::istreambuf_iterator<char>(file), {}};
  // 16 bytes from the end the pixels are whole and only the closing chunk is missing.
  for (std::size_t length = 0; length + 17 < whole.size(); length += 7) {
    write_file(bad, Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(length)));
    EXPECT_TRUE(contains(error(), bad)) << length;
  }
  write_file(bad, {'G', 'I', 'F', '8'});
  EXPECT_TRUE(contains(error(), "expected a PNG, JPEG or BMP image, got 4 bytes"));
}

TEST_F(ImageFolderTest, TheEarliestBadSampleIsNamedForAnyNumberOfWorkers) {
  fill(10);
  for (const char* name : {"cat/103.png", "cat/105.png", "dog/deeper/101.png"}) write_file(folder_ / name, {0});
  for (const std::int64_t workers : {1, 2, 4}) {
    const auto stream = open(pool(workers, 3))->in_order(10);
    EXPECT_TRUE(contains(input_error_of([&] { stream->next(); }), "cat/103.png"));
    EXPECT_TRUE(contains(input_error_of([&] { stream->next(); }), "101.png"));
    EXPECT_FALSE(stream->next().has_value());
  }
}

// libjpeg fills what is missing with grey and only warns.
TEST_F(ImageFolderTest, RefusesEveryTruncationOfAJpeg) {
  fill(1);
  std::vector<std::uint8_t> whole;
  cv::Mat noise(24, 24, CV_8UC3);
  cv::randu(noise, 0, 256);
  ASSERT_TRUE(cv::imencode(".jpg", noise, whole));
  const std::string path = folder_ / "cat/100.jpg";
  write_file(path, whole);
  EXPECT_EQ(read_all().labels.size(0), 3);
  for (std::size_t length = 1; length < whole.size(); length += 13) {
    write_file(path, Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(length)));
    EXPECT_TRUE(contains(error(), path)) << length;
  }
}

// 2 billion by 2 billion pixels in 24 bytes.
TEST_F(ImageFolderTest, RefusesAHeaderThatClaimsAHugeImage) {
  fill(1);
  write_file(folder_ / "cat/100.png", {0x89, 'P', 'N', 'G', 0x0d, 0x0a, 0x1a, 0x0a, 0,    0,    0,    13,
                                       'I',  'H', 'D', 'R', 0x7f, 0xff, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff});
  EXPECT_TRUE(contains(error(), "its header says 2147483647 x 2147483647"));
}

}  // namespace
}  // namespace drystill::vision
