#include "vision/datasets/image_folder.h"

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <opencv2/core/utility.hpp>
#include <string>
#include <utility>
#include <vector>

#include "core/error.h"
#include "vision/datasets/decode_image.h"
#include "vision/datasets/decode_stream.h"

namespace drystill::vision {
namespace {

namespace fs = std::filesystem;

struct Sample {
  std::string path;
  std::int64_t label;
};

bool is_image(const fs::path& path) {
  std::string extension = path.extension().string();
  std::transform(extension.begin(), extension.end(), extension.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return extension == ".png" || extension == ".jpg" || extension == ".jpeg" || extension == ".bmp";
}

std::vector<fs::path> class_folders(const std::string& root) {
  std::vector<fs::path> folders;
  for (const auto& entry : fs::directory_iterator(root)) {
    // Hidden folders are left behind by tools (.ipynb_checkpoints), not classes.
    if (entry.is_directory() && !entry.path().filename().string().starts_with('.')) folders.push_back(entry.path());
  }
  std::sort(folders.begin(), folders.end());
  return folders;
}

std::vector<std::string> images_below(const fs::path& folder) {
  std::vector<std::string> images;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file() && is_image(entry.path())) images.push_back(entry.path().string());
  }
  std::sort(images.begin(), images.end());
  return images;
}

std::vector<Sample> list_samples(const std::string& root, std::int64_t classes) {
  const std::vector<fs::path> folders = class_folders(root);
  if (std::ssize(folders) != classes) {
    throw InputError(root + ": expected one subfolder for each of the model's " + std::to_string(classes) +
                     " classes, got " + std::to_string(folders.size()) + " subfolders");
  }
  std::vector<Sample> samples;
  for (std::int64_t label = 0; label < classes; ++label) {
    const fs::path& folder = folders[static_cast<std::size_t>(label)];
    std::vector<std::string> images = images_below(folder);
    if (images.empty()) {
      throw InputError(folder.string() + ": expected images of one class (.png, .jpg, .jpeg or .bmp), got none");
    }
    for (std::string& path : images) samples.push_back({std::move(path), label});
  }
  return samples;
}

class ImageFolder : public ImageSource {
 public:
  ImageFolder(std::vector<Sample> samples, const ImageFolderDataset& options, const ExpectedImages& expected)
      : samples_(std::move(samples)), options_(options), expected_(expected) {}

  std::int64_t size() const override { return std::ssize(samples_); }

  std::unique_ptr<BatchStream> stream(torch::Tensor order, std::int64_t batch) const override {
    auto self = std::static_pointer_cast<const ImageFolder>(shared_from_this());
    return decode_stream({.expected = expected_,
                          .workers = options_.workers,
                          .queue = options_.queue,
                          .decode =
                              [self](std::int64_t number, std::uint8_t* pixels) {
                                const Sample& sample = self->samples_[static_cast<std::size_t>(number)];
                                decode_image(sample.path, self->expected_, self->options_.resize, pixels);
                                return sample.label;
                              }},
                         order, batch);
  }

 private:
  std::vector<Sample> samples_;
  ImageFolderDataset options_;
  ExpectedImages expected_;
};

}  // namespace

std::shared_ptr<const ImageSource> open_image_folder(const std::string& root, const ImageFolderDataset& options,
                                                     const ExpectedImages& expected) {
  if (expected.channels != 1 && expected.channels != 3) {
    throw InputError(root + ": image files give 1 or 3 channels, the model takes " + std::to_string(expected.channels));
  }
  // One image is decoded by one worker; OpenCV's own pool would compete with them.
  cv::setNumThreads(1);
  try {
    return std::make_shared<ImageFolder>(list_samples(root, expected.classes), options, expected);
  } catch (const fs::filesystem_error& error) {
    throw InputError(root + ": cannot be read as a folder of images: " + error.code().message() +
                     "; check the dataset's paths in the configuration");
  }
}

}  // namespace drystill::vision
