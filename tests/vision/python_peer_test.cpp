// Checkpoints that Python made give the same logits here, and students of ours give the same in Python. Built only
// where DRYSTILL_PEER_PYTHON names an interpreter that has torch.
#include <ATen/CPUGeneratorImpl.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include "io/safetensors.h"
#include "tests/support/temporary_folder.h"
#include "vision/classifier_file.h"
#include "vision/zoo.h"

namespace drystill::vision {
namespace {

constexpr double kTolerance = 1e-4;
const std::vector<std::string> kNames = {"resnet18", "wrn40_2", "vgg11"};

class PythonPeer : public ::testing::Test {
 protected:
  void python(const std::string& verb) const {
    const char* interpreter = std::getenv("DRYSTILL_PEER_PYTHON");
    ASSERT_NE(interpreter, nullptr);
    const std::string command = std::string("'") + interpreter + "' '" + DRYSTILL_SOURCE_DIR +
                                "/tests/vision/classifiers_in_python.py' " + verb + " '" + folder_.path().string() +
                                "'";
    ASSERT_EQ(std::system(command.c_str()), 0) << command;
  }

  testing::TemporaryFolder folder_;
  const torch::NoGradGuard no_grad_;
};

TEST_F(PythonPeer, ItsCheckpointsGiveTheSameLogits) {
  python("make");
  const auto expected = io::read_safetensors(folder_ / "expected.safetensors");
  for (const std::string& name : kNames) {
    for (const std::string form : {"zip", "legacy", "wrapped"}) {
      const auto path = folder_ / (name + "_" + form + ".pth");
      const auto loaded = load_classifier({.architecture = name, .checkpoint = path.string()}, ImageSpec(),
                                          at::detail::createCPUGenerator(1));
      loaded.model->eval();
      const torch::Tensor logits = loaded.model->forward(expected.tensors.at("images")).logits;
      EXPECT_LE((logits - expected.tensors.at(name + ".logits")).abs().max().item<double>(), kTolerance) << path;
    }
  }
}

TEST_F(PythonPeer, OurStudentsGiveTheSameLogitsThere) {
  std::map<std::string, torch::Tensor> ours;
  ours["images"] = torch::randn({4, 3, 32, 32}, at::detail::createCPUGenerator(5), torch::TensorOptions());
  for (const std::string& name : kNames) {
    const auto model = make_classifier(name, ImageSpec(), at::detail::createCPUGenerator(2));
    model->train();
    model->forward(ours["images"] * 2 + 1);  // running statistics away from their start
    model->eval();
    ours[name + ".logits"] = model->forward(ours["images"]).logits.contiguous();
    save_classifier(folder_ / (name + "_ours.pth"), *model, name, ImageSpec());
  }
  io::write_safetensors(folder_ / "ours.safetensors", ours);
  python("check");
}

}  // namespace
}  // namespace drystill::vision
