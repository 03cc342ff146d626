#pragma once

#include <memory>
#include <string>

#include "vision/datasets/dataset.h"

namespace drystill::vision {

// One subfolder of `root` a class, PNG, JPEG or BMP files anywhere below it; both sorted by name, so that sample
// numbers are the same on every machine. Files are decoded when a stream needs them, on worker threads. Throws
// InputError where the folder is missing or empty, a class has no image, or the number of subfolders is not
// `expected.classes`.
std::shared_ptr<const ImageSource> open_image_folder(const std::string& root, const ImageFolderDataset& options,
                                                     const ExpectedImages& expected);

}  // namespace drystill::vision
