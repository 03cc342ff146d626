// One CuDFKD generator step and ten student steps, WRN-40-2 -> WRN-16-1, through the classes a run uses. The Python
// peer is tools/peers/vision_step.py; tools/compare_vision_step.py times both in turn. Prints one JSON line: medians in
// seconds.
#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <torch/types.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>

#include "core/allocator.h"
#include "core/device.h"
#include "core/seeds.h"
#include "core/threads.h"
#include "distiller/classifier_learner.h"
#include "distiller/synthetic_source.h"
#include "vision/memory_format.h"
#include "vision/zoo.h"

namespace drystill::distiller {
namespace {

struct Arguments {
  std::int64_t batch = 128;
  std::int64_t repeat = 3;
  std::int64_t student_steps = 10;
  std::int64_t threads = 0;
  bool bfloat16 = false;
  std::string device = "cpu";
};

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + values.size() / 2, values.end());
  return values[values.size() / 2];
}

std::string measure(const Arguments& arguments) {
  limit_threads(arguments.threads);
  const torch::Device device = parse_device(arguments.device);
  const auto dtype = arguments.bfloat16 ? torch::kBFloat16 : torch::kFloat32;
  SeedStreams seeds(0, device);
  const vision::ImageSpec image{
      .mean = {0.4914, 0.4822, 0.4465}, .stddev = {0.2023, 0.1994, 0.2010}, .class_names = {}};
  const auto model = [&](const char* name) {
    auto classifier = vision::make_classifier(name, image, seeds.cpu_stream(name));
    classifier->to(device);
    vision::to_channels_last(*classifier);
    return classifier;
  };
  const auto teacher = model("wrn40_2");
  const auto student = model("wrn16_1");
  teacher->freeze();

  generator::GenerativeOptions method;  // CuDFKD's figures: configs/presets/cudfkd.yaml
  method.network = {
      .kind = generator::NetworkKind::kDcgan, .latent_size = 512, .initialisation = generator::Initialisation::kNormal};
  method.objective.class_balance_temperature = 20;
  const auto synthesizer = generator::make_synthesizer(
      method,
      {.teacher = teacher, .student = student, .image = image, .device = device, .channels_last = true, .dtype = dtype},
      seeds);
  SyntheticSource source({.batch = arguments.batch,
                          .student_steps_per_generator_step = arguments.student_steps,
                          .augment = {.crop_padding = 0, .flip = false, .mixup = 0},
                          .replay = {}},
                         *synthesizer, image, device, dtype, seeds);
  ClassifierLearner learner({.loss = {.kind = LossKind::kL1}, .optimizer = SgdOptions{}, .schedule = {}}, student,
                            teacher);

  std::vector<double> generator_seconds, student_seconds;
  const auto timed = [](const auto& work) {
    const auto start = std::chrono::steady_clock::now();
    work();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  };
  // The first round warms up: packed weights, the allocator, thread pools.
  for (std::int64_t round = 0; round <= arguments.repeat; ++round) {
    const double generator = timed([&] { (void)synthesizer->improve({arguments.batch, 0.5}).loss.item<double>(); });
    if (round > 0) generator_seconds.push_back(generator);
    for (std::int64_t i = 0; i < (round > 0 ? arguments.student_steps : 1); ++i) {
      curriculum::StagePlan plan{.step = 1, .easy_threshold = 2, .pacing = curriculum::Pacing::kLog};
      const double step = timed([&] { (void)learner.step(source.next(plan), plan).loss.item<double>(); });
      if (round > 0) student_seconds.push_back(step);
    }
  }
  const double generator = median(generator_seconds), student_step = median(student_seconds);
  return fmt::format(
      R"({{"peer": "drystill{}", "batch": {}, "threads": {}, "generator_step": {}, "student_step": {}, "round": {}}})",
      arguments.bfloat16 ? " bf16" : "", arguments.batch, at::get_num_threads(), generator, student_step,
      generator + static_cast<double>(arguments.student_steps) * student_step);
}

}  // namespace
}  // namespace drystill::distiller

int main(int argc, char** argv) {
  drystill::set_up_allocator();
  drystill::distiller::Arguments arguments;
  CLI::App app("seconds of a CuDFKD generator step and student step");
  app.add_option("--batch", arguments.batch, "images a step")->capture_default_str();
  app.add_option("--repeat", arguments.repeat, "rounds of one generator step and the student steps");
  app.add_option("--student-steps", arguments.student_steps, "student steps a round")->capture_default_str();
  app.add_option("--threads", arguments.threads, "CPU threads; 0: all");
  app.add_option("--device", arguments.device, "auto, cpu, cuda");
  app.add_flag("--bf16", arguments.bfloat16, "bfloat16 activations");
  CLI11_PARSE(app, argc, argv);
  try {
    std::puts(drystill::distiller::measure(arguments).c_str());
  } catch (const std::exception& error) {
    std::fprintf(stderr, "step_bench: %s\n", error.what());
    return 1;
  }
}
