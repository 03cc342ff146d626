#include "vision/datasets/cifar.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "core/error.h"
#include "vision/datasets/compressed_file.h"
#include "vision/datasets/memory_images.h"

namespace drystill::vision {
namespace {

constexpr std::int64_t kSide = 32;
constexpr std::int64_t kPixels = 3 * kSide * kSide;
constexpr std::size_t kMostBytes = std::size_t{1} << 28;  // the largest real file has 1.5e8 bytes

std::vector<std::string> file_names(std::int64_t classes, Split split) {
  if (classes == 100) return {split == Split::kTrain ? "train.bin" : "test.bin"};
  if (split == Split::kTest) return {"test_batch.bin"};
  return {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"};
}

LabelledImages read_records(const std::string& path, std::int64_t classes) {
  const std::int64_t label_bytes = classes == 100 ? 2 : 1;
  const std::int64_t record = label_bytes + kPixels;
  std::vector<std::uint8_t> bytes = CompressedFile(path).read(kMostBytes);
  const auto size = static_cast<std::int64_t>(bytes.size());
  if (size == 0 || size % record != 0 || bytes.size() == kMostBytes) {
    throw InputError(path + ": expected a whole number of CIFAR-" + std::to_string(classes) + " records of " +
                     std::to_string(record) + " bytes, got " + std::to_string(size) +
                     " bytes; check 'classes', or fetch the file again");
  }
  const torch::Tensor records = at::from_blob(bytes.data(), {size / record, record}, torch::kByte);
  const torch::Tensor labels = records.select(1, label_bytes - 1).to(torch::kLong);  // the last one is the fine label
  check_labels(labels, classes, path);
  return {records.slice(1, label_bytes).clone(at::MemoryFormat::Contiguous).view({-1, 3, kSide, kSide}), labels};
}

}  // namespace

std::shared_ptr<const ImageSource> open_cifar(const CifarDataset& options, Split split,
                                              const ExpectedImages& expected) {
  fit_images(at::empty({0, 3, kSide, kSide}, torch::kByte), expected, options.root);
  if (options.classes != expected.classes) {
    throw InputError(options.root + ": is set up as CIFAR-" + std::to_string(options.classes) + ", the model has " +
                     std::to_string(expected.classes) + " classes; set the dataset's 'classes' to that number");
  }
  std::vector<torch::Tensor> images, labels;
  for (const std::string& name : file_names(options.classes, split)) {
    const LabelledImages part = read_records((std::filesystem::path(options.root) / name).string(), options.classes);
    images.push_back(part.images);
    labels.push_back(part.labels);
  }
  return std::make_shared<MemoryImages>(
      LabelledImages{fit_images(at::cat(images), expected, options.root), at::cat(labels)});
}

}  // namespace drystill::vision
