// drystill doctor: what this program and machine can do, and how to mend what they cannot.
#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <torch/cuda.h>
#include <torch/headeronly/version.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <fstream>
#include <memory>

#include "apps/commands.h"
#include "apps/console.h"
#include "apps/help.h"
#include "apps/version.h"
#include "core/error.h"
#include "kernels/cpu/capability.h"

namespace drystill::apps {
namespace {

bool can_write_here() {
  const std::filesystem::path probe = ".drystill-doctor";
  const bool written = static_cast<bool>(std::ofstream(probe) << "x" << std::flush);
  std::error_code ignored;
  std::filesystem::remove(probe, ignored);
  return written;
}

// "mkl", from LibTorch's settings of its own build.
std::string blas() {
  const std::string settings = at::show_config(), key = "BLAS_INFO=";
  const auto found = settings.find(key);
  if (found == std::string::npos) return "unknown";
  const auto begin = found + key.size();
  return settings.substr(begin, settings.find_first_of(",\n", begin) - begin);
}

// What is usable, or why nothing is and what to do.
std::string cuda() {
  if (torch::cuda::is_available()) return std::to_string(torch::cuda::device_count()) + " device(s)";
  if (!built_with_cuda()) {
    return "none usable: this program was built without CUDA; build with -DDRYSTILL_CUDA=ON where nvcc is "
           "(docs/setup.md)";
  }
  if (!std::filesystem::exists("/proc/driver/nvidia/version")) {
    return "none usable: no NVIDIA driver is loaded; install one, then see whether nvidia-smi finds it";
  }
  return "none usable: the NVIDIA driver shows no device that LibTorch can use; see nvidia-smi, CUDA_VISIBLE_DEVICES, "
         "and whether the driver is new enough for CUDA 13";
}

void doctor(const Console& console) {
  std::vector<std::string> problems;
  Fields facts = {{"drystill", version()},
                  {"revision", revision()},
                  {"libtorch", TORCH_VERSION},
                  {"cpu_capability", at::get_cpu_capability()},
                  {"threads", at::get_num_threads()},
                  {"fast_kernels", kernels::cpu::has_fast_path(torch::kFloat32) ? "yes" : "no (reference code)"},
                  {"blas", blas()},
                  {"mkl", at::get_mkl_version()},
                  {"onednn", at::get_mkldnn_version()},
                  {"openmp", at::get_openmp_version()},
                  {"cuda", cuda()}};
  std::error_code error;
  const auto space = std::filesystem::space(".", error);
  constexpr std::uintmax_t kGigabyte = 1'000'000'000;
  if (!error) {
    facts.emplace_back("free_disk_gb", static_cast<std::int64_t>(space.available / kGigabyte));
    if (space.available < kGigabyte)
      problems.emplace_back("less than 1 GB of disk is free here: runs write checkpoints; free some");
  }
  if (!can_write_here()) problems.emplace_back("this folder cannot be written: run elsewhere, or give --out FOLDER");
  for (std::size_t i = 0; i < problems.size(); ++i) {
    facts.emplace_back("problem_" + std::to_string(i + 1), problems[i]);
  }
  console.result(facts);
  if (!problems.empty()) throw RunError(std::to_string(problems.size()) + " problem(s) found");
}

}  // namespace

void add_doctor(CLI::App& app, const Console& console) {
  CLI::App* verb = app.add_subcommand("doctor", "versions, devices, BLAS, threads, disk; a fix line per problem");
  set_examples(*verb, {"doctor", "doctor --json"});
  verb->callback([&console] { doctor(console); });
}

}  // namespace drystill::apps
