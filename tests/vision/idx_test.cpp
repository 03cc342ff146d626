#include "vision/datasets/idx.h"

#include <ATen/ops/equal.h>
#include <gtest/gtest.h>
#include <zlib.h>

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

constexpr ExpectedImages kExpected{.channels = 1, .height = 5, .width = 4, .classes = 3};

Bytes image_file() {  // 2 images of 3 x 2 pixels: 1..6 and 7..12
  Bytes bytes{0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 2};
  for (std::uint8_t pixel = 1; pixel <= 12; ++pixel) bytes.push_back(pixel);
  return bytes;
}

Bytes label_file() {
  return {0, 0, 8, 1, 0, 0, 0, 2, 2, 0};
}

void write_gzip(const std::filesystem::path& path, const Bytes& bytes) {
  gzFile file = gzopen(path.c_str(), "wb");
  ASSERT_EQ(gzwrite(file, bytes.data(), static_cast<unsigned>(bytes.size())), static_cast<int>(bytes.size()));
  gzclose(file);
}

Bytes read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

class IdxTest : public ::testing::Test {
 protected:
  void SetUp() override {
    write_file(images_, image_file());
    write_file(labels_, label_file());
  }
  std::shared_ptr<const ImageSource> open(const ExpectedImages& expected = kExpected) const {
    return open_idx(images_, labels_, expected);
  }
  std::string error(const ExpectedImages& expected = kExpected) const {
    return input_error_of([&] { open(expected); });
  }

  TemporaryFolder folder_;
  const std::string images_ = folder_ / "images";
  const std::string labels_ = folder_ / "labels";
};

void expect_the_two_images(const ImageSource& source) {
  const auto& all = dynamic_cast<const MemoryImages&>(source).all();
  // 3 x 2 in 5 x 4: one row of zeros above and below, one column left and right.
  const auto expected = torch::Tensor(at::tensor({0, 0, 0, 0, 0, 1, 2, 0, 0, 3, 4,  0, 0, 5,  6,  0, 0, 0, 0, 0,  //
                                                  0, 0, 0, 0, 0, 7, 8, 0, 0, 9, 10, 0, 0, 11, 12, 0, 0, 0, 0, 0}))
                            .to(torch::kByte)
                            .view({2, 1, 5, 4});
  EXPECT_TRUE(at::equal(all.images, expected));
  EXPECT_TRUE(at::equal(all.labels, at::tensor({2, 0}, torch::kLong)));
}

TEST_F(IdxTest, ReadsPlainFilesAndPadsThem) {
  EXPECT_EQ(open()->size(), 2);
  expect_the_two_images(*open());
}

TEST_F(IdxTest, ReadsGzip) {
  write_gzip(images_, image_file());
  write_gzip(labels_, label_file());
  expect_the_two_images(*open());
}

TEST_F(IdxTest, KeepsImagesThatFitExactly) {
  const auto source = open({.channels = 1, .height = 3, .width = 2, .classes = 3});
  const auto& all = dynamic_cast<const MemoryImages&>(*source).all();
  EXPECT_TRUE(at::equal(all.images.flatten(), at::arange(1, 13, torch::kByte)));
}

TEST_F(IdxTest, RefusesImagesThatAreTooLarge) {
  const std::string message = error({.channels = 1, .height = 5, .width = 1, .classes = 3});
  EXPECT_TRUE(contains(message, images_) && contains(message, "1 x 5 x 1") && contains(message, "1 x 3 x 2"))
      << message;
}

TEST_F(IdxTest, RefusesAnotherNumberOfChannels) {
  EXPECT_TRUE(contains(error({.channels = 3, .height = 5, .width = 4, .classes = 3}), "3 x 5 x 4"));
}

TEST_F(IdxTest, RefusesLabelsOutOfRange) {
  const std::string message = error({.channels = 1, .height = 5, .width = 4, .classes = 2});
  EXPECT_TRUE(contains(message, labels_) && contains(message, "sample 0 has label 2, expected 0 to 1")) << message;
}

TEST_F(IdxTest, RefusesFilesThatDoNotBelongTogether) {
  write_file(labels_, {0, 0, 8, 1, 0, 0, 0, 3, 2, 0, 1});
  const std::string message = error();
  EXPECT_TRUE(contains(message, "2 images") && contains(message, "3 labels")) << message;
}

TEST_F(IdxTest, RefusesExchangedFiles) {
  const std::string message = input_error_of([&] { open_idx(labels_, images_, kExpected); });
  EXPECT_TRUE(contains(message, "00 00 08 03") && contains(message, "00 00 08 01")) << message;
}

TEST_F(IdxTest, RefusesMissingFilesAndFolders) {
  std::filesystem::remove(images_);
  EXPECT_TRUE(contains(error(), images_ + ": cannot be opened: No such file"));
  std::filesystem::create_directory(images_);
  EXPECT_TRUE(contains(error(), "got a folder"));
}

TEST_F(IdxTest, RefusesEveryTruncationOfEitherFile) {
  for (std::size_t length = 0; length < image_file().size(); ++length) {
    Bytes bytes = image_file();
    bytes.resize(length);
    write_file(images_, bytes);
    EXPECT_TRUE(contains(error(), images_)) << length;
  }
  write_file(images_, image_file());
  for (std::size_t length = 0; length < label_file().size(); ++length) {
    Bytes bytes = label_file();
    bytes.resize(length);
    write_file(labels_, bytes);
    EXPECT_TRUE(contains(error(), labels_)) << length;
  }
}

TEST_F(IdxTest, RefusesEveryTruncationOfAGzipStream) {
  write_gzip(images_, image_file());
  const Bytes whole = read_file(images_);
  for (std::size_t length = 0; length < whole.size(); ++length) {
    write_file(images_, Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(length)));
    EXPECT_TRUE(contains(error(), images_)) << length;
  }
}

TEST_F(IdxTest, RefusesADamagedGzipChecksum) {
  write_gzip(images_, image_file());
  Bytes bytes = read_file(images_);
  bytes[bytes.size() - 8] ^= 1;  // the CRC-32 of the content
  write_file(images_, bytes);
  EXPECT_TRUE(contains(error(), "damaged gzip stream"));
}

TEST_F(IdxTest, RefusesTrailingBytes) {
  Bytes bytes = image_file();
  bytes.push_back(0);
  write_file(images_, bytes);
  EXPECT_TRUE(contains(error(), "got more"));
}

// A header that asks for up to 2^96 bytes must fail by what the file holds, at once and without that memory.
TEST_F(IdxTest, RefusesEveryFlippedHeaderByte) {
  for (std::size_t at = 0; at < 16; ++at) {
    for (const std::uint8_t flip : {0x01, 0x80, 0xff}) {
      Bytes bytes = image_file();
      bytes[at] ^= flip;
      write_file(images_, bytes);
      EXPECT_TRUE(contains(error(), images_)) << at;
    }
  }
  write_file(images_, image_file());
  for (std::size_t at = 0; at < 8; ++at) {
    for (const std::uint8_t flip : {0x01, 0x80, 0xff}) {
      Bytes bytes = label_file();
      bytes[at] ^= flip;
      write_file(labels_, bytes);
      EXPECT_TRUE(contains(error(), labels_)) << at;
    }
  }
}

TEST_F(IdxTest, AHugeCountInBothHeadersReadsOnlyWhatIsThere) {
  Bytes images = image_file(), labels = label_file();
  images[4] = labels[4] = 0x07;
  write_file(images_, images);
  write_file(labels_, labels);
  EXPECT_TRUE(contains(error(), "ends too early: expected 117440514 bytes of labels, got 2"));
}

}  // namespace
}  // namespace drystill::vision
