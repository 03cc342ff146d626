#include "vision/datasets/idx.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>

#include <cstdint>
#include <cstdio>
#include <vector>

#include "core/error.h"
#include "vision/datasets/compressed_file.h"
#include "vision/datasets/memory_images.h"

namespace drystill::vision {
namespace {

constexpr std::uint8_t kUnsignedByte = 0x08;
constexpr std::int64_t kMostSamples = std::int64_t{1} << 27;  // 1 GB of labels: beyond any set worth holding decoded

std::string hexadecimal(const std::vector<std::uint8_t>& bytes) {
  std::string text;
  for (const std::uint8_t byte : bytes) {
    char digits[4];
    std::snprintf(digits, sizeof digits, "%02x ", byte);
    text += digits;
  }
  return text.empty() ? "nothing" : text.substr(0, text.size() - 1);
}

std::int64_t big_endian(const std::uint8_t* bytes) {
  return std::int64_t{bytes[0]} << 24 | std::int64_t{bytes[1]} << 16 | std::int64_t{bytes[2]} << 8 | bytes[3];
}

[[noreturn]] void fail_short(const std::string& path, const std::string& what, std::size_t expected, std::size_t got) {
  throw InputError(path + ": the file ends too early: expected " + std::to_string(expected) + " bytes of " + what +
                   ", got " + std::to_string(got) + "; fetch the file again");
}

// One size a dimension.
std::vector<std::int64_t> read_header(CompressedFile& file, const std::string& path, std::uint8_t rank) {
  const std::vector<std::uint8_t> magic = file.read(4);
  const std::vector<std::uint8_t> wanted{0, 0, kUnsignedByte, rank};
  if (magic != wanted) {
    throw InputError(path + ": expected an IDX file of " + (rank == 3 ? "images" : "labels") + " that begins with " +
                     hexadecimal(wanted) + ", got " + hexadecimal(magic) +
                     "; check that images and labels are not exchanged in the configuration");
  }
  const std::vector<std::uint8_t> header = file.read(std::size_t{4} * rank);
  if (header.size() < std::size_t{4} * rank) fail_short(path, "sizes", std::size_t{4} * rank, header.size());
  std::vector<std::int64_t> sizes;
  for (std::size_t i = 0; i < rank; ++i) sizes.push_back(big_endian(header.data() + 4 * i));
  if (sizes[0] == 0 || sizes[0] > kMostSamples) {
    throw InputError(path + ": expected 1 to " + std::to_string(kMostSamples) + " samples, its header says " +
                     std::to_string(sizes[0]) + "; fetch the file again");
  }
  return sizes;
}

// The bytes after the header, and nothing behind them.
std::vector<std::uint8_t> read_body(CompressedFile& file, const std::string& path, const char* what,
                                    std::size_t count) {
  std::vector<std::uint8_t> bytes = file.read(count);
  if (bytes.size() < count) fail_short(path, what, count, bytes.size());
  // The read beyond the end also makes zlib compare the checksum.
  if (!file.read(1).empty()) {
    throw InputError(path + ": expected " + std::to_string(count) + " bytes of " + what +
                     ", got more; the file is damaged, fetch it again");
  }
  return bytes;
}

}  // namespace

std::shared_ptr<const ImageSource> open_idx(const std::string& images_path, const std::string& labels_path,
                                            const ExpectedImages& expected) {
  // All that the two headers say is checked before the first pixel is read.
  CompressedFile images_file(images_path);
  const std::vector<std::int64_t> sizes = read_header(images_file, images_path, 3);
  const std::int64_t count = sizes[0], height = sizes[1], width = sizes[2];
  fit_images(at::empty({0, 1, height, width}, torch::kByte), expected, images_path);
  CompressedFile labels_file(labels_path);
  const std::int64_t label_count = read_header(labels_file, labels_path, 1)[0];
  if (count != label_count) {
    throw InputError(images_path + ": holds " + std::to_string(count) + " images, but " + labels_path + " holds " +
                     std::to_string(label_count) + " labels; the two files do not belong together");
  }

  std::vector<std::uint8_t> label_bytes =
      read_body(labels_file, labels_path, "labels", static_cast<std::size_t>(count));
  const torch::Tensor labels = at::from_blob(label_bytes.data(), {count}, torch::kByte).to(torch::kLong);
  check_labels(labels, expected.classes, labels_path);
  std::vector<std::uint8_t> pixels =
      read_body(images_file, images_path, "pixels", static_cast<std::size_t>(count * height * width));
  const torch::Tensor raw = at::from_blob(pixels.data(), {count, 1, height, width}, torch::kByte);
  const torch::Tensor fitted = fit_images(raw, expected, images_path);
  return std::make_shared<MemoryImages>(LabelledImages{fitted.is_alias_of(raw) ? fitted.clone() : fitted, labels});
}

}  // namespace drystill::vision
