#include "io/state_dict.h"

#include <torch/nn/module.h>

#include "tests/io/test_files.h"

namespace drystill::io {
namespace {

class Layer : public torch::nn::Module {
 public:
  Layer(std::int64_t rows, std::int64_t columns) {
    register_parameter("weight", at::zeros({rows, columns}));
    register_parameter("bias", at::zeros({rows}));
  }
};

class Norm : public torch::nn::Module {
 public:
  explicit Norm(std::int64_t channels) {
    register_parameter("weight", at::ones({channels}));
    register_buffer("running_mean", at::zeros({channels}));
    register_buffer("num_batches_tracked", at::zeros({}, at::kLong));
  }
};

class Net : public torch::nn::Module {
 public:
  explicit Net(std::int64_t classes, std::int64_t width = 4) {
    register_module("body", std::make_shared<Layer>(width, 3));
    register_module("bn", std::make_shared<Norm>(width));
    register_module("fc", std::make_shared<Layer>(classes, width));
  }
};

std::map<std::string, torch::Tensor> filled(const torch::nn::Module& module) {
  std::map<std::string, torch::Tensor> tensors;
  for (const auto& [name, tensor] : state_dict(module)) tensors[name] = at::full_like(tensor, 3);
  return tensors;
}

TEST(StateDict, HasParametersAndBuffersUnderTheirNames) {
  Net net(10);
  const auto tensors = state_dict(net);
  EXPECT_EQ(tensors.size(), 7U);
  EXPECT_TRUE(tensors.contains("bn.num_batches_tracked"));
  EXPECT_TRUE(tensors.at("fc.weight").is_alias_of(net.named_parameters()["fc.weight"]));
  EXPECT_FALSE(tensors.at("fc.weight").requires_grad());
}

TEST(StateDict, LoadsWhatFits) {
  Net net(10);
  load_into(net, filled(net), "a.pth");
  for (const auto& [name, tensor] : state_dict(net)) EXPECT_TRUE(tensor.eq(3).all().item<bool>()) << name;
}

TEST(StateDict, ConvertsFloatingPointTypesOnly) {
  Net net(10);
  auto tensors = filled(net);
  tensors["fc.weight"] = tensors["fc.weight"].to(at::kBFloat16);
  load_into(net, tensors, "a.pth");
  EXPECT_EQ(state_dict(net).at("fc.weight").scalar_type(), at::kFloat);
  tensors["fc.weight"] = tensors["fc.weight"].to(at::kLong);
  input_error([&] { load_into(net, tensors, "a.pth"); });
}

TEST(StateDict, ToleratesTheBatchCounter) {
  Net net(10);
  auto tensors = filled(net);
  tensors.erase("bn.num_batches_tracked");
  tensors["other.num_batches_tracked"] = at::zeros({}, at::kLong);
  load_into(net, tensors, "a.pth");
  EXPECT_EQ(state_dict(net).at("bn.num_batches_tracked").item<std::int64_t>(), 0);
}

TEST(StateDict, CountsAndNamesWhatDoesNotFitAndChangesNothing) {
  Net net(10);
  auto tensors = filled(net);
  tensors.erase("bn.running_mean");
  tensors.erase("body.bias");
  for (const char* name : {"a", "b", "c", "d"}) tensors[name] = at::zeros({1});
  tensors["body.weight"] = at::zeros({3, 4});
  const auto message = input_error([&] { load_into(net, tensors, "a.pth"); });
  EXPECT_EQ(
      message,
      "'a.pth' does not fit the model: 2 missing ('bn.running_mean', 'body.bias'), 4 unexpected ('a', 'b', 'c' and "
      "1 more), 1 of another shape or type ('body.weight' expected [4, 3] Float, got [3, 4] Float); of 7 tensors "
      "of the model; is it another architecture?");
  EXPECT_TRUE(state_dict(net).at("fc.weight").eq(0).all().item<bool>());
}

TEST(StateDict, SaysWhenOnlyTheClassCountDiffers) {
  Net net(10);
  const auto message = input_error([&] { load_into(net, filled(Net(100)), "a.pth"); });
  EXPECT_EQ(
      message,
      "'a.pth' does not fit the model: it has 100 classes, the model has 10 (layer 'fc'); all else fits, so set the "
      "model's number of classes to 100");
  const auto wider = input_error([&] { load_into(net, filled(Net(100, 5)), "a.pth"); });
  EXPECT_EQ(wider.find("classes"), std::string::npos) << wider;
}

}  // namespace
}  // namespace drystill::io
