#pragma once

#include <memory>
#include <string>

#include "vision/datasets/dataset.h"

namespace drystill::vision {

// Reads a pair of IDX files (format: the MNIST page of LeCun, Cortes and Burges: big-endian magic 00 00 08 rank, one
// 32-bit size a dimension, then the bytes), plain or gzip. Images have rank 3, labels rank 1. Throws InputError where a
// file is missing, cut off, longer than its header says, or does not fit `expected` or its partner.
std::shared_ptr<const ImageSource> open_idx(const std::string& images_path, const std::string& labels_path,
                                            const ExpectedImages& expected);

}  // namespace drystill::vision
