#include "core/optimizer.h"

#include <gtest/gtest.h>

#include <map>

#include "core/error.h"
#include "io/safetensors.h"

namespace drystill {
namespace {

constexpr std::int64_t kSteps = 10;

std::map<std::string, OptimizerOptions> cases() {
  return {{"sgd_plain", SgdOptions{.learning_rate = 0.05, .momentum = 0, .weight_decay = 0}},
          {"sgd_momentum", SgdOptions{.learning_rate = 0.1, .momentum = 0.9, .weight_decay = 5e-4}},
          {"sgd_nesterov", SgdOptions{.learning_rate = 0.1, .momentum = 0.9, .weight_decay = 5e-4, .nesterov = true}},
          {"adam", AdamOptions{.learning_rate = 1e-2, .beta1 = 0.5, .beta2 = 0.999, .weight_decay = 1e-2}},
          {"adamw", AdamOptions{.learning_rate = 1e-2,
                                .beta1 = 0.9,
                                .beta2 = 0.99,
                                .epsilon = 1e-6,
                                .weight_decay = 5e-2,
                                .decoupled = true}}};
}

class OptimizerGolden : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    golden_ = io::read_safetensors(std::string(DRYSTILL_GOLDEN_DIR) + "/core/optimizers.safetensors").tensors;
    parameters_ = fresh_parameters();
  }

  std::vector<torch::Tensor> fresh_parameters() const {
    return {golden_.at("matrix").clone().requires_grad_(), golden_.at("vector").clone().requires_grad_()};
  }

  // What tools/make_golden_core.py does in its step `step`.
  void step(Optimizer& optimizer, std::vector<torch::Tensor>& parameters, std::int64_t step) const {
    optimizer.set_learning_rate(optimizer.peak_learning_rate() * (step < kSteps / 2 ? 1 : 0.1));
    optimizer.zero_grad();
    parameters[0].mutable_grad() = golden_.at("matrix_gradients")[step].clone();
    if (step % 3 != 2) parameters[1].mutable_grad() = golden_.at("vector_gradients")[step].clone();
    optimizer.step();
  }

  double distance(const std::vector<torch::Tensor>& parameters, std::int64_t step) const {
    const auto of = [&](const torch::Tensor& parameter, const std::string& name) {
      return (parameter.detach() - golden_.at(GetParam() + "." + name)[step]).abs().max().item<double>();
    };
    return std::max(of(parameters[0], "matrix"), of(parameters[1], "vector"));
  }

  std::map<std::string, torch::Tensor> golden_;
  std::vector<torch::Tensor> parameters_;
};

TEST_P(OptimizerGolden, FollowsPyTorch) {
  Optimizer optimizer(parameters_, cases().at(GetParam()));
  for (std::int64_t i = 0; i < kSteps; ++i) {
    step(optimizer, parameters_, i);
    EXPECT_LE(distance(parameters_, i), 1e-6) << "after step " << i;
  }
}

TEST_P(OptimizerGolden, ChannelsLastGradientsCountTheSame) {
  // A gradient in another memory order, as channels-last backward passes leave behind.
  Optimizer optimizer(parameters_, cases().at(GetParam()));
  parameters_[0].mutable_grad() = golden_.at("matrix_gradients")[0].t().contiguous().t();
  parameters_[1].mutable_grad() = golden_.at("vector_gradients")[0].clone();
  optimizer.step();
  EXPECT_LE(distance(parameters_, 0), 1e-6);
}

TEST_P(OptimizerGolden, ContinuesBitForBitFromItsState) {
  constexpr std::int64_t kSavedAfter = 4;
  Optimizer whole(parameters_, cases().at(GetParam()));
  State state;
  for (std::int64_t i = 0; i < kSteps; ++i) {
    if (i == kSavedAfter) {
      StateWriter writer(state);
      whole.save(writer.part("optimizer"));
      writer.tensor("matrix", parameters_[0]);
      writer.tensor("vector", parameters_[1]);
    }
    step(whole, parameters_, i);
  }

  const StateReader reader(state);
  auto resumed = fresh_parameters();
  reader.copy_into("matrix", resumed[0]);
  reader.copy_into("vector", resumed[1]);
  Optimizer continued(resumed, cases().at(GetParam()));
  continued.load(reader.part("optimizer"));
  for (std::int64_t i = kSavedAfter; i < kSteps; ++i) step(continued, resumed, i);
  EXPECT_TRUE(resumed[0].equal(parameters_[0]));
  EXPECT_TRUE(resumed[1].equal(parameters_[1]));
  EXPECT_EQ(continued.learning_rate(), whole.learning_rate());
}

INSTANTIATE_TEST_SUITE_P(All, OptimizerGolden,
                         ::testing::Values("sgd_plain", "sgd_momentum", "sgd_nesterov", "adam", "adamw"),
                         [](const auto& test) { return test.param; });

TEST(Optimizer, RefusesTheStateOfAnotherModel) {
  Optimizer small({torch::zeros({2}).requires_grad_()}, SgdOptions{});
  State state;
  small.save(StateWriter(state));
  Optimizer large({torch::zeros({3}).requires_grad_()}, SgdOptions{});
  EXPECT_THROW(large.load(StateReader(state)), InputError);
}

TEST(OptimizerOptions, NameWhatHasNoEffect) {
  EXPECT_EQ((SgdOptions{.momentum = 0, .nesterov = true}).problems().size(), 1U);
  EXPECT_TRUE((SgdOptions{.momentum = 0.5, .nesterov = true}).problems().empty());
  EXPECT_EQ((AdamOptions{.beta1 = 1}).problems().front().field, "beta1");
  EXPECT_EQ((AdamOptions{.beta2 = 1}).problems().front().field, "beta2");
  EXPECT_TRUE(AdamOptions{}.problems().empty());
}

TEST(Optimizer, DoesNothingWithoutGradients) {
  const auto parameter = torch::ones({2}).requires_grad_();
  Optimizer optimizer({parameter}, AdamOptions{});
  optimizer.step();
  EXPECT_TRUE(parameter.equal(torch::ones({2})));
}

}  // namespace
}  // namespace drystill
