#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/fields.h"

namespace drystill::vision {

// The MNIST family: images and labels as IDX files, plain or gzip. Only the files of the split in use are opened, so a
// run that evaluates needs no training files and one that trains needs no test files.
struct IdxDataset {
  static constexpr std::string_view kKey = "format";
  static constexpr std::string_view kName = "idx";
  std::string train_images;
  std::string train_labels;
  std::string test_images;
  std::string test_labels;

  template <class Field>
  void visit(Field&& field) {
    field("train_images", train_images, "IDX file of the training images, plain or .gz");
    field("train_labels", train_labels, "IDX file of the training labels, plain or .gz");
    field("test_images", test_images, "IDX file of the test images, plain or .gz");
    field("test_labels", test_labels, "IDX file of the test labels, plain or .gz");
  }
  bool operator==(const IdxDataset&) const = default;
};

// CIFAR-10 or CIFAR-100 in the binary version (Krizhevsky 2009): a folder of .bin files.
struct CifarDataset {
  static constexpr std::string_view kKey = "format";
  static constexpr std::string_view kName = "cifar";
  std::string root;
  std::int64_t classes = 10;

  template <class Field>
  void visit(Field&& field) {
    field("root", root, "folder of the .bin files: cifar-10-batches-bin or cifar-100-binary", required());
    field("classes", classes, "10 or 100: which of the two sets the folder holds", between(10, 100));
  }
  std::vector<Problem> problems() const {
    if (classes == 10 || classes == 100) return {};
    return {{"classes", "must be 10 or 100"}};
  }
  bool operator==(const CifarDataset&) const = default;
};

// How an image of another size is brought to the size of the model's input.
enum class Resize {
  kCrop,     // cut the largest middle part of the right proportion out, then scale it
  kStretch,  // scale both sides on their own
};
constexpr auto enum_names(Resize) {
  return std::to_array<std::string_view>({"crop", "stretch"});
}

// One subfolder a class, labels in the order of the sorted subfolder names; PNG, JPEG or BMP files below it.
struct ImageFolderDataset {
  static constexpr std::string_view kKey = "format";
  static constexpr std::string_view kName = "image_folder";
  std::string train;
  std::string test;
  Resize resize = Resize::kCrop;
  std::int64_t workers = 0;
  std::int64_t queue = 4;

  template <class Field>
  void visit(Field&& field) {
    field("train", train, "folder of the training images, one subfolder a class");
    field("test", test, "folder of the test images, one subfolder a class");
    field("resize", resize, "crop: scale the middle, cut to the right proportion; stretch: scale the whole image");
    field("workers", workers, "threads that decode images; 0: all cores; the result does not depend on it",
          between(0, 1024));
    field("queue", queue, "batches decoded ahead of use", between(1, 1024));
  }
  bool operator==(const ImageFolderDataset&) const = default;
};

using DatasetOptions = std::variant<IdxDataset, CifarDataset, ImageFolderDataset>;

}  // namespace drystill::vision
