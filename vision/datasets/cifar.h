#pragma once

#include <memory>

#include "vision/datasets/dataset.h"

namespace drystill::vision {

// Reads the binary version of CIFAR (format: the CIFAR page of A. Krizhevsky). CIFAR-10: data_batch_1..5.bin and
// test_batch.bin, records of 1 label byte and 3072 pixels; CIFAR-100: train.bin and test.bin, a coarse label first.
// Throws InputError where a file is missing, is not whole records, or does not fit `expected`.
std::shared_ptr<const ImageSource> open_cifar(const CifarDataset& options, Split split, const ExpectedImages& expected);

}  // namespace drystill::vision
