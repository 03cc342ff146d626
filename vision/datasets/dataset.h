#pragma once

#include <torch/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "vision/dataset_options.h"

namespace drystill::vision {

// A batch, or a whole split.
struct LabelledImages {
  torch::Tensor images;  // [N, C, H, W] uint8, on the CPU
  torch::Tensor labels;  // [N] int64, on the CPU
};

// What a model takes; a dataset that does not fit is refused when it is opened.
struct ExpectedImages {
  std::int64_t channels = 3;
  std::int64_t height = 32;  // smaller raw images get a border of zeros, 28 -> 32 gains 2 on each side
  std::int64_t width = 32;
  std::int64_t classes = 10;
};

// The batches of one pass over a given order of samples. It may decode ahead in the background.
class BatchStream {
 public:
  virtual ~BatchStream() = default;
  // The next batch, or nothing at the end. The last one may be smaller. Throws InputError for a sample that cannot be
  // read, naming its file.
  virtual std::optional<LabelledImages> next() = 0;
};

// One split of a dataset. It has no position and draws nothing at random: any number of streams read it side by side.
class ImageSource : public std::enable_shared_from_this<ImageSource> {
 public:
  virtual ~ImageSource() = default;
  virtual std::int64_t size() const = 0;
  // `order`: [M] int64 sample numbers in [0, size()), on the CPU. The stream keeps this source alive.
  virtual std::unique_ptr<BatchStream> stream(torch::Tensor order, std::int64_t batch) const = 0;
  // Every sample once, as the files have them: for evaluation.
  std::unique_ptr<BatchStream> in_order(std::int64_t batch) const;
};

enum class Split { kTrain, kTest };
constexpr auto enum_names(Split) {
  return std::to_array<std::string_view>({"train", "test"});
}

// Everything that reads real images takes a DatasetOpener instead of calling open_dataset: a data-free run is given one
// too, and a test that counts the calls proves that the training split was never asked for.
using DatasetOpener =
    std::function<std::shared_ptr<const ImageSource>(const DatasetOptions&, Split, const ExpectedImages&)>;

// Opens the files of that split only. Throws ConfigError where the options name no file for it, InputError where a file
// is missing, damaged or does not fit.
std::shared_ptr<const ImageSource> open_dataset(const DatasetOptions& options, Split split,
                                                const ExpectedImages& expected);

}  // namespace drystill::vision
