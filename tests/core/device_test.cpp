#include "core/device.h"

#include <gtest/gtest.h>
#include <torch/cuda.h>

#include "core/error.h"

namespace drystill {
namespace {

TEST(Device, NamesTheCpu) {
  EXPECT_EQ(parse_device("cpu"), torch::Device(torch::kCPU));
}

TEST(Device, AutoTakesCudaOnlyWhereItWorks) {
  EXPECT_EQ(parse_device("auto").is_cuda(), torch::cuda::is_available());
}

TEST(Device, RefusesUnknownNames) {
  for (const char* text : {"", "gpu", "CPU", "cuda:", "cuda:x", "cuda:-1", "cuda:1234", "cuda: 1", "cpu:0", "cuda1"}) {
    EXPECT_THROW(parse_device(text), ConfigError) << "'" << text << "'";
  }
}

TEST(Device, SaysWhatToDoWithoutCuda) {
  if (torch::cuda::is_available()) GTEST_SKIP() << "this machine has CUDA";
  try {
    parse_device("cuda:0");
    FAIL() << "expected InputError";
  } catch (const InputError& error) {
    EXPECT_EQ(error.code(), ExitCode::kInput);
    EXPECT_NE(std::string(error.what()).find("device=cpu"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace drystill
