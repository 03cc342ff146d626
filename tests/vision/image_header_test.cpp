#include "vision/datasets/image_header.h"

#include <gtest/gtest.h>

#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>
#include <vector>

namespace drystill::vision {
namespace {

TEST(ImageHeaderTest, ReadsTheSizeThatOpenCvWrote) {
  const cv::Mat image(37, 300, CV_8UC3, cv::Scalar(1, 2, 3));
  for (const char* extension : {".png", ".jpg", ".bmp"}) {
    std::vector<std::uint8_t> bytes;
    ASSERT_TRUE(cv::imencode(extension, image, bytes));
    const auto size = claimed_size(bytes);
    ASSERT_TRUE(size.has_value()) << extension;
    EXPECT_EQ(size->width, 300) << extension;
    EXPECT_EQ(size->height, 37) << extension;
  }
}

TEST(ImageHeaderTest, ACutOffHeaderHasNoSize) {
  const cv::Mat image(3, 3, CV_8UC1, cv::Scalar(0));
  for (const char* extension : {".png", ".jpg", ".bmp"}) {
    std::vector<std::uint8_t> bytes;
    ASSERT_TRUE(cv::imencode(extension, image, bytes));
    for (std::size_t length = 0; length < 24; ++length) {
      EXPECT_FALSE(claimed_size(std::span(bytes).first(length)).has_value()) << extension << " " << length;
    }
  }
}

TEST(ImageHeaderTest, AJpegIsWholeUpToItsEndMarkerAndNotBefore) {
  std::vector<std::uint8_t> bytes;
  ASSERT_TRUE(cv::imencode(".jpg", cv::Mat(40, 30, CV_8UC3, cv::Scalar(9, 200, 90)), bytes));
  EXPECT_FALSE(is_cut_off(bytes));
  for (std::size_t length = 3; length < bytes.size(); ++length) {
    EXPECT_TRUE(is_cut_off(std::span(bytes).first(length))) << length;
  }
  bytes.push_back(0);  // what some cameras append
  EXPECT_FALSE(is_cut_off(bytes));
  EXPECT_FALSE(is_cut_off({}));
}

TEST(ImageHeaderTest, OtherFilesHaveNoSize) {
  EXPECT_FALSE(claimed_size({}).has_value());
  EXPECT_FALSE(claimed_size(std::vector<std::uint8_t>(100, 'x')).has_value());
  std::vector<std::uint8_t> endless_segments(100, 0xff);  // a JPEG of fill bytes only
  endless_segments[1] = 0xd8;
  EXPECT_FALSE(claimed_size(endless_segments).has_value());
}

}  // namespace
}  // namespace drystill::vision
