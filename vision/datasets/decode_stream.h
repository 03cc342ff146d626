#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "vision/datasets/dataset.h"

namespace drystill::vision {

// What a stream decodes: sample number -> pixels [C, H, W] and label. `decode` runs on worker threads, must not use
// torch, and throws what it cannot do.
struct DecodeJob {
  ExpectedImages expected;
  std::int64_t workers = 0;  // 0: all cores
  std::int64_t queue = 4;    // batches decoded ahead
  std::function<std::int64_t(std::int64_t sample, std::uint8_t* pixels)> decode;
};

// Batches of `order` ([M] int64, CPU), decoded ahead by a pool of threads. Batches come in order and each sample has
// its own place in its batch, so the result is the same for any number of workers. An error in a sample is thrown by
// the next() of its batch, the earliest sample's where there are several.
std::unique_ptr<BatchStream> decode_stream(DecodeJob job, const torch::Tensor& order, std::int64_t batch);

}  // namespace drystill::vision
