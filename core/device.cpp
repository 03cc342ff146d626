#include "core/device.h"

#include <ATen/Version.h>
#include <torch/cuda.h>

#include <algorithm>
#include <cctype>

#include "core/error.h"

namespace drystill {

torch::Device parse_device(const std::string& text) {
  if (text == "cpu") return torch::kCPU;
  const bool has_cuda = torch::cuda::is_available();
  if (text == "auto") return has_cuda ? torch::Device(torch::kCUDA, 0) : torch::Device(torch::kCPU);

  const std::string index = text.starts_with("cuda:") ? text.substr(5) : "";
  const bool well_formed =
      text == "cuda" || (!index.empty() && index.size() <= 3 &&
                         std::all_of(index.begin(), index.end(), [](unsigned char c) { return std::isdigit(c); }));
  if (!well_formed) {
    throw ConfigError("unknown device '" + text + "': expected auto, cpu, cuda or cuda:<number>");
  }
  if (!has_cuda) {
    throw InputError("device '" + text +
                     "' asked for, but no CUDA device is usable here; use --set device=cpu, or see `drystill doctor`");
  }
  const int number = index.empty() ? 0 : std::stoi(index);
  if (number >= static_cast<int>(torch::cuda::device_count())) {
    throw InputError("device '" + text + "' asked for, but this machine has " +
                     std::to_string(static_cast<int>(torch::cuda::device_count())) + " CUDA device(s)");
  }
  return {torch::kCUDA, static_cast<c10::DeviceIndex>(number)};
}

bool has_fast_bfloat16(torch::Device device) {
  return !device.is_cpu() || at::get_cpu_capability() == "AVX512";
}

}  // namespace drystill
