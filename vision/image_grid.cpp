#include "vision/image_grid.h"

#include <ATen/ops/from_blob.h>

#include <algorithm>
#include <cmath>
#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

namespace drystill::vision {
namespace {

constexpr int kCellWidth = 112;  // images are enlarged to at least this, 28 pixels by 4
constexpr int kGap = 12;
constexpr int kBarTop = 3;  // below the image
constexpr int kBarHeight = 4;
constexpr int kTextHeight = 20;
constexpr int kBaseline = 14;  // from the top of the text
constexpr int kFont = cv::FONT_HERSHEY_SIMPLEX;
constexpr double kFontScale = 0.42;
constexpr double kSmallestFontScale = 0.34;
constexpr int kSmoothing = 4;  // text is drawn this much larger and averaged: OpenCV's small letters are ragged

const cv::Scalar kWhite(255, 255, 255);
const cv::Scalar kInk(50, 44, 40);    // blue, green, red
const cv::Scalar kBar(176, 114, 48);  // a calm blue
const cv::Scalar kBarGround(236, 233, 230);

cv::Mat to_mat(const torch::Tensor& image) {  // [1|3, H, W] uint8 -> BGR
  const torch::Tensor bgr = image.expand({3, -1, -1}).flip({0}).permute({1, 2, 0}).contiguous();
  return cv::Mat(static_cast<int>(bgr.size(0)), static_cast<int>(bgr.size(1)), CV_8UC3, bgr.data_ptr<std::uint8_t>())
      .clone();
}

torch::Tensor to_bytes(const torch::Tensor& images) {
  torch::Tensor host = images.detach().to(torch::kCPU);
  if (host.scalar_type() == torch::kByte) return host;
  return host.to(torch::kFloat).nan_to_num(0).clamp(0, 1).mul(255).round().to(torch::kByte);
}

std::string printable(std::string text) {
  std::replace_if(
      text.begin(), text.end(), [](unsigned char c) { return c < 32 || c > 126; }, '?');
  return text;
}

int text_width(const std::string& text, double scale) {
  return static_cast<int>(std::ceil(cv::getTextSize(text, kFont, scale * kSmoothing, kSmoothing, nullptr).width /
                                    static_cast<double>(kSmoothing)));
}

// One line of text, at most `width` pixels: smaller first, then cut.
void draw_text(cv::Mat& canvas, std::string text, int x, int y, int width) {
  double scale = kFontScale;
  while (scale > kSmallestFontScale && text_width(text, scale) > width) scale -= 0.02;
  if (text_width(text, scale) > width) {
    while (!text.empty() && text_width(text + "..", scale) > width) text.pop_back();
    text += "..";
  }
  const cv::Rect place = cv::Rect(x, y, width, kTextHeight) & cv::Rect(0, 0, canvas.cols, canvas.rows);
  cv::Mat large(place.height * kSmoothing, place.width * kSmoothing, CV_8UC3, kWhite);
  cv::putText(large, text, {0, kBaseline * kSmoothing}, kFont, scale * kSmoothing, kInk, kSmoothing + 1, cv::LINE_AA);
  cv::resize(large, canvas(place), place.size(), 0, 0, cv::INTER_AREA);
}

void draw_caption(cv::Mat& canvas, const Caption& caption, int x, int y, int width) {
  int name_width = width;
  if (caption.confidence) {
    const double share = std::isnan(*caption.confidence) ? 0 : std::clamp(*caption.confidence, 0., 1.);
    const int filled = static_cast<int>(std::lround(share * width));
    cv::rectangle(canvas, cv::Rect(x, y + kBarTop, width, kBarHeight), kBarGround, cv::FILLED);
    if (filled > 0) cv::rectangle(canvas, cv::Rect(x, y + kBarTop, filled, kBarHeight), kBar, cv::FILLED);
    const std::string percent = std::to_string(std::lround(share * 100)) + "%";
    const int percent_width = text_width(percent, kFontScale) + 2;
    draw_text(canvas, percent, x + width - percent_width, y + kBarTop + kBarHeight + 1, percent_width);
    name_width -= percent_width + 6;
  }
  draw_text(canvas, printable(caption.name), x, y + kBarTop + kBarHeight + 1, name_width);
}

}  // namespace

torch::Tensor draw_grid(const torch::Tensor& images, const std::vector<Caption>& captions, std::int64_t columns) {
  TORCH_CHECK(images.dim() == 4 && images.numel() > 0,
              "[vision.draw_grid] expected images [N, C, H, W] with N > 0, got ", images.sizes());
  TORCH_CHECK(captions.empty() || std::ssize(captions) == images.size(0), "[vision.draw_grid] expected ",
              images.size(0), " captions or none, got ", captions.size());
  const int count = static_cast<int>(images.size(0));
  const int across = static_cast<int>(columns > 0 ? std::min<std::int64_t>(columns, count)
                                                  : std::llround(std::ceil(std::sqrt(static_cast<double>(count)))));
  const int down = (count + across - 1) / across;
  const int factor =
      std::max(1, (kCellWidth + static_cast<int>(images.size(3)) - 1) / static_cast<int>(images.size(3)));
  const int width = factor * static_cast<int>(images.size(3)), height = factor * static_cast<int>(images.size(2));
  const int caption_height = captions.empty() ? 0 : kBarTop + kBarHeight + kTextHeight;
  const int step_x = width + kGap, step_y = height + caption_height + kGap;

  cv::Mat canvas(down * step_y + kGap, across * step_x + kGap, CV_8UC3, kWhite);
  const torch::Tensor bytes = to_bytes(images.narrow(1, 0, images.size(1) < 3 ? 1 : 3));
  for (int i = 0; i < count; ++i) {
    const int x = kGap + i % across * step_x, y = kGap + i / across * step_y;
    cv::resize(to_mat(bytes[i]), canvas(cv::Rect(x, y, width, height)), {width, height}, 0, 0, cv::INTER_NEAREST);
    if (!captions.empty()) draw_caption(canvas, captions[static_cast<std::size_t>(i)], x, y + height, width);
  }
  return at::from_blob(canvas.data, {canvas.rows, canvas.cols, 3}, torch::kByte)
      .permute({2, 0, 1})
      .flip({0})
      .contiguous();
}

std::vector<std::uint8_t> encode_png(const torch::Tensor& image) {
  TORCH_CHECK(image.dim() == 3 && image.numel() > 0 && (image.size(0) == 1 || image.size(0) == 3) &&
                  image.scalar_type() == torch::kByte,
              "[vision.encode_png] expected an image [1|3, H, W] uint8, got ", image.sizes(), " ", image.scalar_type());
  std::vector<std::uint8_t> bytes;
  cv::imencode(".png", to_mat(image), bytes);
  return bytes;
}

}  // namespace drystill::vision
