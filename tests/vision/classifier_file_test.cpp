#include "vision/classifier_file.h"

#include <ATen/CPUGeneratorImpl.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "io/model_file.h"
#include "io/state_dict.h"
#include "tests/support/temporary_folder.h"
#include "vision/zoo.h"

namespace drystill::vision {
namespace {

ImageSpec grey() {
  ImageSpec spec;
  spec.channels = 1;
  spec.mean = {0.2860};
  spec.stddev = {0.3530};
  return spec;
}

at::Generator generator(std::uint64_t seed) {
  return at::detail::createCPUGenerator(seed);
}

std::string refusal(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

class ClassifierFile : public ::testing::Test {
 protected:
  ClassifierFile() : model_(make_classifier("resnet8", grey(), generator(1))) {
    save_classifier(path(), *model_, "resnet8", grey(), {{"drystill.test_accuracy", "0.9"}});
  }
  std::string path(const char* extension = ".safetensors") const {
    return (folder_ / (std::string("model") + extension)).string();
  }

  testing::TemporaryFolder folder_;
  std::shared_ptr<Classifier> model_;
};

TEST_F(ClassifierFile, BringsArchitectureInputAndWeights) {
  const auto loaded = load_classifier({.architecture = "", .checkpoint = path()}, std::nullopt, generator(2));
  EXPECT_EQ(loaded.architecture, "resnet8");
  EXPECT_EQ(loaded.input, grey());
  EXPECT_EQ(loaded.metadata.at("drystill.test_accuracy"), "0.9");
  const auto images = torch::randn({2, 1, 32, 32}, generator(3), torch::TensorOptions());
  model_->eval();
  loaded.model->eval();
  EXPECT_TRUE(loaded.model->forward(images).logits.equal(model_->forward(images).logits));
}

TEST_F(ClassifierFile, AStateDictForPythonNeedsArchitectureAndInputFromTheConfiguration) {
  save_classifier(path(".pth"), *model_, "resnet8", grey());
  EXPECT_NE(refusal([&] {
              load_classifier({.architecture = "", .checkpoint = path(".pth")}, grey(), generator(2));
            }).find("architecture"),
            std::string::npos);
  EXPECT_NE(refusal([&] {
              load_classifier({.architecture = "resnet8", .checkpoint = path(".pth")}, std::nullopt, generator(2));
            }).find("input"),
            std::string::npos);
  EXPECT_EQ(load_classifier({.architecture = "resnet8", .checkpoint = path(".pth")}, grey(), generator(2)).input,
            grey());
}

TEST_F(ClassifierFile, ClassNamesOfTheConfigurationFillUpAFileWithoutThem) {
  ImageSpec named = grey();
  for (int i = 0; i < 10; ++i) named.class_names.push_back("class " + std::to_string(i));
  EXPECT_EQ(load_classifier({.architecture = "", .checkpoint = path()}, named, generator(2)).input, named);
  save_classifier(path(), *model_, "resnet8", named);
  EXPECT_EQ(load_classifier({.architecture = "", .checkpoint = path()}, grey(), generator(2)).input, named);
  ImageSpec other = named;
  other.class_names[3] = "dress";
  const auto message =
      refusal([&] { load_classifier({.architecture = "", .checkpoint = path()}, other, generator(2)); });
  EXPECT_NE(message.find("calls class 3 'class 3', expected 'dress' (input.class_names"), std::string::npos) << message;
}

TEST_F(ClassifierFile, RefusesWhatDoesNotFit) {
  const auto wrong =
      refusal([&] { load_classifier({.architecture = "resnet20", .checkpoint = path()}, std::nullopt, generator(2)); });
  EXPECT_EQ(wrong,
            "checkpoint: '" + path() +
                "' holds a 'resnet8', 'architecture' beside it asks for a 'resnet20'; leave 'architecture' out, or "
                "name another file");
  const auto missing = refusal([&] {
    load_classifier({.architecture = "", .checkpoint = "none.pth"}, grey(), generator(2), "teacher.checkpoint");
  });
  EXPECT_TRUE(missing.starts_with("teacher.checkpoint: cannot read 'none.pth'")) << missing;
  EXPECT_NE(missing.find("mend the path"), std::string::npos) << missing;
  ImageSpec more = grey();
  more.classes = 100;
  EXPECT_NE(refusal([&] {
              load_classifier({.architecture = "", .checkpoint = path()}, more, generator(2));
            }).find("10 classes, expected 100 (input.classes"),
            std::string::npos);
  ImageSpec shifted = grey();
  shifted.mean = {0.5};
  EXPECT_NE(refusal([&] { load_classifier({.architecture = "", .checkpoint = path()}, shifted, generator(2)); }), "");
}

// A rectifier takes NaN for 0: such a model answers, and nobody would notice.
TEST_F(ClassifierFile, RefusesWeightsThatAreNoNumbers) {
  const torch::NoGradGuard no_grad;
  const auto load = [&] { load_classifier({.architecture = "", .checkpoint = path()}, std::nullopt, generator(2)); };
  model_->named_parameters()["conv1.weight"].view({-1})[3] = std::nanf("");
  save_classifier(path(), *model_, "resnet8", grey());
  EXPECT_EQ(refusal(load),
            "checkpoint: '" + path() +
                "': tensor 'conv1.weight' holds NaN or infinity, expected numbers; take an undamaged file");
  model_->named_parameters()["conv1.weight"].fill_(0.1);
  model_->named_buffers()["bn1.running_var"].fill_(-1);
  save_classifier(path(), *model_, "resnet8", grey());
  EXPECT_NE(refusal(load).find("'bn1.running_var' holds a negative variance"), std::string::npos);
}

TEST_F(ClassifierFile, AnArchitectureThatNobodyKnowsIsTheFilesFault) {
  save_classifier(path(), *model_, "resnet9\x1b[31m\n", grey());
  const auto message =
      refusal([&] { load_classifier({.architecture = "", .checkpoint = path()}, std::nullopt, generator(2)); });
  EXPECT_EQ(message, "checkpoint: '" + path() +
                         "' holds a 'resnet9\\x1b[31m\\x0a', which `drystill list models` does not have; set "
                         "'architecture' beside it, or name another file");
  EXPECT_EQ(recorded_architecture(path()), "resnet9\x1b[31m\n");
}

TEST_F(ClassifierFile, WhatIsWrongInsideAFileIsSaidWithTheKeyThatNamesIt) {
  io::TensorFile file = io::read_model(path());
  file.tensors.erase("fc.weight");
  io::write_model(path(), file);
  const auto damaged = refusal([&] {
    load_classifier({.architecture = "", .checkpoint = path()}, std::nullopt, generator(2), "teacher.checkpoint");
  });
  EXPECT_TRUE(damaged.starts_with("teacher.checkpoint: '" + path() + "' does not fit the model")) << damaged;
  EXPECT_NE(damaged.find("'fc.weight'"), std::string::npos) << damaged;
}

TEST_F(ClassifierFile, HostileMetadataIsOneLine) {
  for (const char* json :
       {"", "{", "[]", "{\"channels\":1}",
        "{\"channels\":-1,\"height\":32,\"width\":32,\"classes\":10,\"mean\":[],\"stddev\":[]}",
        "{\"channels\":1,\"height\":1e30,\"width\":32,\"classes\":10,\"mean\":[],\"stddev\":[]}",
        "{\"channels\":1,\"height\":32,\"width\":32,\"classes\":10,\"mean\":[1,2],\"stddev\":[0]}"}) {
    const auto message = refusal([&] { image_spec_from_json(json, "file"); });
    EXPECT_NE(message, "") << json;
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
  }
}

}  // namespace
}  // namespace drystill::vision
