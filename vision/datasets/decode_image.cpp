#include "vision/datasets/decode_image.h"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>
#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>
#include <optional>
#include <vector>

#include "core/error.h"
#include "vision/datasets/image_header.h"

namespace drystill::vision {
namespace {

constexpr std::int64_t kMostPixels = std::int64_t{1} << 26;  // 8192 x 8192
constexpr std::int64_t kMostBytes = std::int64_t{1} << 28;

std::vector<std::uint8_t> read_whole(const std::string& path) {
  errno = 0;
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  const std::int64_t size = file ? static_cast<std::int64_t>(file.tellg()) : -1;
  if (size < 0) throw InputError(path + ": cannot be opened: " + std::strerror(errno ? errno : EIO));
  if (size > kMostBytes) {
    throw InputError(path + ": expected an image of at most " + std::to_string(kMostBytes) + " bytes, got " +
                     std::to_string(size));
  }
  std::vector<std::uint8_t> bytes(static_cast<std::size_t>(size));
  file.seekg(0);
  file.read(reinterpret_cast<char*>(bytes.data()), size);
  if (!file) throw InputError(path + ": cannot be read: " + std::strerror(errno ? errno : EIO));
  return bytes;
}

cv::Mat decode(const std::string& path, std::int64_t channels) {
  const std::vector<std::uint8_t> bytes = read_whole(path);
  const std::optional<ImageSize> claimed = claimed_size(bytes);
  if (!claimed) {
    throw InputError(path + ": expected a PNG, JPEG or BMP image, got " + std::to_string(bytes.size()) +
                     " bytes of something else; remove or replace the file");
  }
  if (claimed->width < 1 || claimed->height < 1 || claimed->width > kMostPixels / claimed->height) {
    throw InputError(path + ": expected an image of 1 to " + std::to_string(kMostPixels) + " pixels, its header says " +
                     std::to_string(claimed->width) + " x " + std::to_string(claimed->height) +
                     "; remove or replace the file");
  }
  if (is_cut_off(bytes)) throw InputError(path + ": the JPEG image ends too early; remove or replace the file");
  // Turned by no EXIF tag: the published loaders do not look at it either.
  const int mode = (channels == 1 ? cv::IMREAD_GRAYSCALE : cv::IMREAD_COLOR) | cv::IMREAD_IGNORE_ORIENTATION;
  cv::Mat image;
  try {
    image = cv::imdecode(bytes, mode);
  } catch (const cv::Exception& error) {
    throw InputError(path + ": cannot be decoded: " + error.err + "; remove or replace the file");
  }
  if (image.empty()) throw InputError(path + ": cannot be decoded, the image is damaged; remove or replace the file");
  return image;
}

cv::Mat resized(const cv::Mat& image, int width, int height) {
  if (image.cols == width && image.rows == height) return image;
  // Averaging over areas keeps a shrunk image free of aliasing; it is no better than nearest for growing.
  const bool shrinks = image.cols >= width && image.rows >= height;
  cv::Mat result;
  cv::resize(image, result, cv::Size(width, height), 0, 0, shrinks ? cv::INTER_AREA : cv::INTER_LINEAR);
  return result;
}

// The largest middle part with the sides in the proportion width : height. Cutting before scaling gives the same
// picture as the other way round, and a very long image never becomes a huge one.
cv::Mat middle(const cv::Mat& image, int width, int height) {
  const double scale = std::min(static_cast<double>(image.cols) / width, static_cast<double>(image.rows) / height);
  const int columns = std::clamp(static_cast<int>(std::lround(width * scale)), 1, image.cols);
  const int rows = std::clamp(static_cast<int>(std::lround(height * scale)), 1, image.rows);
  return image(cv::Rect((image.cols - columns) / 2, (image.rows - rows) / 2, columns, rows));
}

void write_planes(const cv::Mat& image, std::int64_t channels, std::uint8_t* pixels) {
  const std::int64_t plane = std::int64_t{image.rows} * image.cols;
  for (int row = 0; row < image.rows; ++row) {
    const std::uint8_t* from = image.ptr<std::uint8_t>(row);
    for (int column = 0; column < image.cols; ++column) {
      std::uint8_t* to = pixels + std::int64_t{row} * image.cols + column;
      // OpenCV's order is blue, green, red.
      for (std::int64_t c = 0; c < channels; ++c) to[c * plane] = from[column * channels + (channels - 1 - c)];
    }
  }
}

}  // namespace

void decode_image(const std::string& path, const ExpectedImages& expected, Resize resize, std::uint8_t* pixels) {
  const cv::Mat image = decode(path, expected.channels);
  const int width = static_cast<int>(expected.width), height = static_cast<int>(expected.height);
  const cv::Mat part = resize == Resize::kCrop ? middle(image, width, height) : image;
  write_planes(resized(part, width, height), expected.channels, pixels);
}

}  // namespace drystill::vision
