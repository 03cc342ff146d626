#include <string>

#include "core/error.h"
#include "vision/datasets/cifar.h"
#include "vision/datasets/dataset.h"
#include "vision/datasets/idx.h"
#include "vision/datasets/image_folder.h"

namespace drystill::vision {
namespace {

const std::string& named(const std::string& path, const char* key) {
  if (path.empty()) {
    throw ConfigError("the dataset names no '" + std::string(key) +
                      "', which this command reads: add it to the dataset");
  }
  return path;
}

struct Open {
  Split split;
  const ExpectedImages& expected;

  std::shared_ptr<const ImageSource> operator()(const IdxDataset& options) const {
    if (split == Split::kTrain) {
      return open_idx(named(options.train_images, "train_images"), named(options.train_labels, "train_labels"),
                      expected);
    }
    return open_idx(named(options.test_images, "test_images"), named(options.test_labels, "test_labels"), expected);
  }
  std::shared_ptr<const ImageSource> operator()(const CifarDataset& options) const {
    named(options.root, "root");
    return open_cifar(options, split, expected);
  }
  std::shared_ptr<const ImageSource> operator()(const ImageFolderDataset& options) const {
    const std::string& root = split == Split::kTrain ? named(options.train, "train") : named(options.test, "test");
    return open_image_folder(root, options, expected);
  }
};

}  // namespace

std::shared_ptr<const ImageSource> open_dataset(const DatasetOptions& options, Split split,
                                                const ExpectedImages& expected) {
  return std::visit(Open{split, expected}, options);
}

}  // namespace drystill::vision
