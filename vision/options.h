#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "core/fields.h"
#include "vision/architectures.h"

namespace drystill::vision {

// What a classifier sees and says. It travels in the checkpoint's metadata or in the configuration and is never guessed
// from a data set's name: published normalisation constants differ for the same data.
struct ImageSpec {
  std::int64_t channels = 3;
  std::int64_t height = 32;  // pixels
  std::int64_t width = 32;   // pixels
  std::int64_t classes = 10;
  std::vector<double> mean;    // a channel, of pixels in [0, 1]; empty: 0
  std::vector<double> stddev;  // a channel, of pixels in [0, 1]; empty: 1
  std::vector<std::string> class_names;

  template <class Field>
  void visit(Field&& field) {
    field("channels", channels, "channels of an image: 1 grey, 3 colour; readers of image files give 1 or 3",
          between(1, 64));
    field("height", height, "image height in pixels", between(1, 4096));
    field("width", width, "image width in pixels", between(1, 4096));
    field("classes", classes, "number of classes", between(1, 100000));
    field("mean", mean, "mean a channel, of pixels in [0, 1]; empty: 0");
    field("stddev", stddev, "standard deviation a channel, of pixels in [0, 1]; empty: 1");
    field("class_names", class_names, "names of the classes, in order; empty: numbers");
  }
  bool operator==(const ImageSpec&) const = default;

  std::vector<Problem> problems() const {
    std::vector<Problem> found;
    const auto fits = [](std::size_t size, std::int64_t expected) {
      return size == 0 || size == static_cast<std::size_t>(expected);
    };
    const auto count = [](std::int64_t value) { return std::to_string(value); };
    if (!fits(mean.size(), channels)) found.push_back({"mean", "must have one value a channel: " + count(channels)});
    if (!fits(stddev.size(), channels)) {
      found.push_back({"stddev", "must have one value a channel: " + count(channels)});
    }
    for (const double value : stddev) {
      if (!(value > 0)) found.push_back({"stddev", "must be above 0"});
    }
    if (!fits(class_names.size(), classes)) {
      found.push_back({"class_names", "must have one name a class: " + count(classes)});
    }
    if (std::set<std::string>(class_names.begin(), class_names.end()).size() != class_names.size()) {
      found.push_back({"class_names", "must not repeat a name"});
    }
    return found;
  }
};

// A network of the zoo and where its weights lie.
struct ModelOptions {
  std::string architecture;
  std::string checkpoint;

  template <class Field>
  void visit(Field&& field) {
    field("architecture", architecture, "a name of `drystill list models`; empty: what the checkpoint says",
          one_of(architecture_choices()));
    field("checkpoint", checkpoint, "file with its weights; empty: fresh weights");
  }
  bool operator==(const ModelOptions&) const = default;
};

}  // namespace drystill::vision
