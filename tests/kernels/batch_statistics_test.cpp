#include "kernels/batch_statistics.h"

#include <ATen/Parallel.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>
#include <ATen/ops/randn.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include "core/error.h"
#include "core/seeds.h"
#include "kernels/batch_statistics_reference.h"
#include "tests/kernels/golden_file.h"
#include "tests/kernels/matchers.h"
#include "tests/support/gradient_check.h"

namespace drystill::kernels {
namespace {

using drystill::testing::near;

torch::Tensor random(std::vector<std::int64_t> shape, const std::string& name = "test") {
  SeedStreams seeds(7);
  return at::randn(shape, seeds.cpu_stream(name), torch::kFloat32);
}

// One way of handing the same values over.
struct Form {
  const char* name;
  torch::Tensor (*make)(const torch::Tensor&);
};

const Form kForms[] = {
    {"contiguous", [](const torch::Tensor& x) { return x.contiguous(); }},
    {"channels_last", [](const torch::Tensor& x) { return x.contiguous(at::MemoryFormat::ChannelsLast); }},
    {"permuted",
     [](const torch::Tensor& x) {
       return x.permute({3, 1, 0, 2}).contiguous().permute({2, 1, 3, 0});
     }},
    {"every_second",
     [](const torch::Tensor& x) {
       return at::cat({x, x}, 3).unflatten(3, {2, -1}).transpose(3, 4).contiguous().select(4, 1);
     }},
};

const std::vector<std::vector<std::int64_t>> kShapes = {
    {1, 1, 1, 1},  {1, 32, 1, 1},  {7, 31, 1, 1},   {1, 33, 3, 5},   {2, 257, 4, 4}, {64, 16, 8, 8},  {3, 1, 17, 9},
    {5, 32, 7, 7}, {130, 3, 6, 6}, {1, 2, 101, 97}, {33, 512, 2, 2}, {9, 48, 1, 31}, {21, 336, 1, 3}, {19, 33, 4, 4},
};

// Oracle in float64, in the words of the formula.
BatchStatistics exact(const torch::Tensor& input) {
  const torch::Tensor rows = input.to(torch::kFloat64).transpose(0, 1).flatten(1);  // [C, values]
  const torch::Tensor mean = rows.mean(1);
  return {mean, (rows - mean.unsqueeze(1)).square().mean(1)};
}

TEST(BatchStatistics, EqualsTheFormulaInEveryLayoutAndSize) {
  for (const auto& shape : kShapes) {
    for (const Form& form : kForms) {
      const torch::Tensor input = form.make(random(shape) * 2 + 1);
      SCOPED_TRACE(std::string(form.name) + " " + c10::str(input.sizes()));
      const BatchStatistics actual = batch_statistics(input), expected = exact(input);
      EXPECT_TRUE(near(actual.mean, expected.mean, 1e-6));
      EXPECT_TRUE(near(actual.variance, expected.variance, 2e-6));
      EXPECT_EQ(actual.mean.scalar_type(), torch::kFloat32);
    }
  }
}

TEST(BatchStatistics, TokensAreRows) {
  for (const std::int64_t channels : {1, 31, 32, 33, 257}) {
    const torch::Tensor input = random({1000, channels}) + 3;
    const BatchStatistics actual = batch_statistics(input), expected = exact(input);
    EXPECT_TRUE(near(actual.mean, expected.mean, 1e-6)) << channels;
    EXPECT_TRUE(near(actual.variance, expected.variance, 2e-6)) << channels;
    const BatchStatistics strided = batch_statistics(input.t().contiguous().t());
    EXPECT_TRUE(near(strided.variance, expected.variance, 2e-6)) << channels;
  }
}

TEST(BatchStatistics, BfloatIsReadAsFloat) {
  for (const std::vector<std::int64_t>& shape : {std::vector<std::int64_t>{33, 35, 5, 5}, {19, 33, 4, 4}}) {
    for (const Form& form : kForms) {
      const torch::Tensor input = form.make((random(shape) + 2).to(torch::kBFloat16));
      SCOPED_TRACE(std::string(form.name) + " " + c10::str(input.sizes()));
      const BatchStatistics actual = batch_statistics(input), expected = exact(input);
      EXPECT_TRUE(near(actual.mean, expected.mean, 1e-6));
      EXPECT_TRUE(near(actual.variance, expected.variance, 2e-6));
      EXPECT_EQ(actual.mean.scalar_type(), torch::kFloat32);
    }
  }
}

TEST(BatchStatistics, KeepsDigitsUnderALargeMean) {
  for (const Form& form : kForms) {
    const torch::Tensor input = form.make(random({16, 20, 9, 9}) + 1e4);
    const BatchStatistics actual = batch_statistics(input), expected = exact(input);
    EXPECT_TRUE(near(actual.variance, expected.variance, 1e-5)) << form.name;
  }
}

// The values sampled for the shift are outliers: the pass must notice and run again.
TEST(BatchStatistics, SurvivesAMisleadingSample) {
  for (const Form& form : kForms) {
    torch::Tensor values = random({16, 20, 9, 9}) * 1e-2;
    values.select(0, 0).fill_(0);
    values = values + 100;
    values.select(0, 0).fill_(0);  // sample 0, where planes are sampled, is 10^4 deviations away from the rest
    const torch::Tensor rest = values.slice(0, 1);
    const torch::Tensor input = form.make(at::cat({values.slice(0, 0, 1), rest.repeat({40, 1, 1, 1})}));
    const BatchStatistics actual = batch_statistics(input), expected = exact(input);
    EXPECT_TRUE(near(actual.mean, expected.mean, 1e-6)) << form.name;
    EXPECT_TRUE(near(actual.variance, expected.variance, 1e-5)) << form.name;
  }
}

TEST(BatchStatistics, ConstantChannelsHaveNoVariance) {
  for (const Form& form : kForms) {
    const BatchStatistics actual = batch_statistics(form.make(at::full({6, 18, 5, 5}, 0.1f)));
    EXPECT_EQ(actual.variance.abs().max().item<float>(), 0.f) << form.name;
    EXPECT_EQ(actual.mean.min().item<float>(), 0.1f) << form.name;
    EXPECT_EQ(actual.mean.max().item<float>(), 0.1f) << form.name;
  }
}

TEST(BatchStatistics, NotANumberStaysInItsChannel) {
  torch::Tensor input = random({4, 20, 5, 5});
  input.index_put_({1, 7, 2, 2}, std::numeric_limits<float>::quiet_NaN());
  const BatchStatistics actual = batch_statistics(input);
  EXPECT_EQ(actual.variance.isnan().sum().item<std::int64_t>(), 1);
  EXPECT_TRUE(std::isnan(actual.variance[7].item<float>()));
}

TEST(BatchStatistics, SameBitsForAnyNumberOfThreads) {
  const int threads = at::get_num_threads();
  for (const Form& form : kForms) {
    const torch::Tensor input = form.make(random({70, 24, 9, 9}));
    at::set_num_threads(1);
    const BatchStatistics one = batch_statistics(input);
    for (const int count : {2, 3}) {
      at::set_num_threads(count);
      const BatchStatistics many = batch_statistics(input);
      EXPECT_TRUE(one.mean.equal(many.mean) && one.variance.equal(many.variance)) << form.name << ", " << count;
    }
  }
  at::set_num_threads(threads);
}

TEST(BatchStatistics, GradientInFloat64) {
  const torch::Tensor weight = random({5}, "weight").to(torch::kFloat64);
  const auto function = [&](const std::vector<torch::Tensor>& inputs) {
    const BatchStatistics batch = batch_statistics(inputs[0]);
    return (batch.mean * weight + batch.variance * weight.flip(0)).sum();
  };
  const torch::Tensor input = random({3, 5, 2, 4}).to(torch::kFloat64).requires_grad_();
  EXPECT_EQ(testing::gradient_mismatch(function, {input}), "");
}

torch::Tensor gradient_of(const torch::Tensor& output, const torch::Tensor& input) {
  return torch::autograd::grad({output}, {input})[0];
}

TEST(BatchStatistics, FastGradientEqualsTheReference) {
  for (const auto& shape : kShapes) {
    for (const Form& form : kForms) {
      const torch::Tensor input = form.make(random(shape) + 1).detach().requires_grad_();
      SCOPED_TRACE(std::string(form.name) + " " + c10::str(input.sizes()));
      const torch::Tensor weight = random({shape[1]}, "weight");
      const auto loss = [&](const BatchStatistics& batch) {
        return (batch.mean * weight + batch.variance * weight.flip(0)).sum();
      };
      const torch::Tensor actual = gradient_of(loss(batch_statistics(input)), input);
      EXPECT_TRUE(near(actual, gradient_of(loss(batch_statistics_reference(input)), input), 1e-5, 1e-2));
      const torch::Tensor only_mean = gradient_of((batch_statistics(input).mean * weight).sum(), input);
      EXPECT_TRUE(
          near(only_mean, gradient_of((batch_statistics_reference(input).mean * weight).sum(), input), 1e-6, 1e-3));
    }
  }
}

TEST(BatchNormDistance, GradientInFloat64) {
  const torch::Tensor mean = random({5}, "mean").to(torch::kFloat64),
                      variance = random({5}, "v").to(torch::kFloat64).abs();
  const auto function = [&](const std::vector<torch::Tensor>& inputs) {
    return batch_norm_distance(inputs[0], mean, variance);
  };
  EXPECT_EQ(testing::gradient_mismatch(function, {random({3, 5, 2, 4}).to(torch::kFloat64).requires_grad_()}), "");
  EXPECT_EQ(testing::gradient_mismatch(function, {random({9, 5}).to(torch::kFloat64).requires_grad_()}), "");
}

TEST(BatchNormDistance, FastEqualsTheReference) {
  for (const auto& shape : kShapes) {
    for (const Form& form : kForms) {
      const torch::Tensor input = form.make(random(shape) + 1).detach().requires_grad_();
      SCOPED_TRACE(std::string(form.name) + " " + c10::str(input.sizes()));
      const torch::Tensor mean = random({shape[1]}, "mean"), variance = random({shape[1]}, "v").abs() + 0.1;
      const torch::Tensor actual = batch_norm_distance(input, mean, variance);
      const torch::Tensor expected = batch_norm_distance_reference(input, mean, variance);
      EXPECT_TRUE(near(actual, expected, 1e-5));
      EXPECT_TRUE(near(gradient_of(actual * 3, input), gradient_of(expected * 3, input), 1e-5, 1e-2));
    }
  }
}

TEST(BatchNormDistance, BfloatGradientHasTheTypeAndLayoutOfTheInput) {
  const torch::Tensor input =
      random({8, 19, 5, 5}).to(torch::kBFloat16).contiguous(at::MemoryFormat::ChannelsLast).requires_grad_();
  const torch::Tensor mean = random({19}, "mean"), variance = random({19}, "v").abs();
  const torch::Tensor wide = input.detach().to(torch::kFloat32).requires_grad_();
  const torch::Tensor actual = gradient_of(batch_norm_distance(input, mean, variance), input);
  const torch::Tensor expected = gradient_of(batch_norm_distance_reference(wide, mean, variance), wide);
  EXPECT_EQ(actual.scalar_type(), torch::kBFloat16);
  EXPECT_EQ(actual.strides(), input.strides());
  EXPECT_TRUE(near(actual, expected, 5e-3, 1e-4));  // bfloat16 keeps 8 bits
}

TEST(BatchNormDistance, NoGradientWhereTheRootIsZero) {
  const torch::Tensor input = random({16, 5}).requires_grad_();
  const BatchStatistics batch = batch_statistics(input.detach());
  const torch::Tensor both = batch_norm_distance(input, batch.mean, batch.variance);
  EXPECT_EQ(both.item<float>(), 0.f);
  EXPECT_EQ(gradient_of(both, input).abs().max().item<float>(), 0.f);

  // Only the mean differs: the gradient is that of the mean alone, (mean - rm) / (n |mean - rm|).
  const torch::Tensor shifted = batch_norm_distance(input, batch.mean + 1, batch.variance);
  EXPECT_TRUE(near(gradient_of(shifted, input), at::full({16, 5}, -1 / (16 * std::sqrt(5.0))), 1e-5, 1e-3));
}

TEST(BatchNormDistance, GoldenValuesAndGradientsOfPyTorch) {
  const auto golden = testing::read_golden("batch_statistics.safetensors");
  for (const std::string name : {"wide", "pixel", "single"}) {
    for (const Form& form : kForms) {
      SCOPED_TRACE(name + " " + form.name);
      const auto value = [&](const std::string& key) { return golden.at(name + "." + key); };
      const torch::Tensor input = form.make(value("x")).detach().requires_grad_();
      const BatchStatistics batch = batch_statistics(input);
      EXPECT_TRUE(near(batch.mean, value("mean"), 1e-6));
      EXPECT_TRUE(near(batch.variance, value("variance"), 2e-6));
      const torch::Tensor loss = (batch.mean * value("mean_weight") + batch.variance * value("variance_weight")).sum();
      EXPECT_TRUE(near(gradient_of(loss, input), value("gradient"), 1e-5, 1e-2));
      const torch::Tensor distance = batch_norm_distance(input, value("running_mean"), value("running_variance"));
      EXPECT_TRUE(near(distance, value("distance"), 1e-6));
      EXPECT_TRUE(near(gradient_of(distance, input), value("distance_gradient"), 1e-5, 1e-2));
    }
  }
}

template <class Call>
std::string refusal(const Call& call) {
  try {
    call();
  } catch (const InputError& error) {
    return error.what();
  }
  return "";
}

TEST(BatchStatistics, RefusesWhatItCannotMeasure) {
  EXPECT_NE(refusal([] { batch_statistics(torch::Tensor()); }), "");
  EXPECT_NE(refusal([] { batch_statistics(at::empty({0, 3, 4, 4})); }).find("[0, 3, 4, 4]"), std::string::npos);
  EXPECT_NE(refusal([] { batch_statistics(at::empty({2, 0})); }).find("[2, 0]"), std::string::npos);
  EXPECT_NE(refusal([] { batch_statistics(at::empty({2, 3, 4})); }).find("[N, C, H, W]"), std::string::npos);
  EXPECT_NE(refusal([] { batch_statistics(at::empty({2, 3}, torch::kInt64)); }).find("floating"), std::string::npos);
  const torch::Tensor input = random({2, 3, 4, 4}), three = random({3}), two = random({2});
  EXPECT_NE(refusal([&] { batch_norm_distance(input, two, three); }).find("running_mean"), std::string::npos);
  EXPECT_NE(refusal([&] { batch_norm_distance(input, three, two); }).find("running_variance"), std::string::npos);
  EXPECT_NE(refusal([&] { batch_norm_distance(input, three.clone().requires_grad_(), three); }), "");
}

TEST(BatchStatistics, RefusesSecondOrder) {
  const torch::Tensor input = random({2, 3, 4, 4}).requires_grad_();
  const torch::Tensor distance = batch_norm_distance(input, random({3}), random({3}));
  EXPECT_THROW(torch::autograd::grad({distance}, {input}, {}, true, true), RunError);
}

}  // namespace
}  // namespace drystill::kernels
