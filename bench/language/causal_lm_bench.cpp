// Forward pass and training step (cross entropy, backward) of a model of SmolLM2-135M's shape with random weights. The
// Python peer is tools/peers/language_step.py; tools/compare_language_step.py times both in turn. Prints one JSON line:
// medians in seconds.
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Parallel.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/randint.h>
#include <fmt/format.h>
#include <torch/types.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>

#include "core/allocator.h"
#include "core/threads.h"
#include "language/models/causal_lm.h"

namespace drystill::language {
namespace {

struct Arguments {
  std::int64_t rows = 8;
  std::int64_t width = 256;
  std::int64_t layers = 30;
  std::int64_t repeat = 3;
  std::int64_t threads = 0;
  std::string mode = "bf16";
  bool checkpointing = false;
};

template <class Work>
double seconds_of(const Work& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + values.size() / 2, values.end());
  return values[values.size() / 2];
}

TransformerOptions smollm2_135m(std::int64_t layers) {
  TransformerOptions options = defaults_of(Family::kLlama);
  options.vocab_size = 49152;
  options.hidden_size = 576;
  options.layers = layers;
  options.heads = 9;
  options.kv_heads = 3;
  options.head_dim = 64;
  options.intermediate_size = 1536;
  options.max_positions = 8192;
  return options;
}

std::string measure(const Arguments& arguments) {
  limit_threads(arguments.threads);
  CausalLm model(smollm2_135m(arguments.layers), arguments.mode == "bf16" ? torch::kBFloat16 : torch::kFloat32);
  model.initialise(at::detail::createCPUGenerator(1));
  if (arguments.mode == "mixed") model.set_compute_dtype(torch::kBFloat16);
  model.set_gradient_checkpointing(arguments.checkpointing);
  const auto vocabulary = model.options().vocab_size;
  const auto ids =
      at::randint(vocabulary, {arguments.rows, arguments.width}, at::detail::createCPUGenerator(2), torch::kInt64);
  const TokenBatch batch{.ids = ids, .mask = {}, .positions = {}};

  std::vector<double> forward, step;
  for (std::int64_t i = 0; i <= arguments.repeat; ++i) {  // the first is the warm-up
    const double alone = seconds_of([&] {
      const torch::NoGradGuard no_grad;
      model.logits(batch);
    });
    const double whole = seconds_of([&] {
      at::cross_entropy_loss(model.logits(batch).view({-1, vocabulary}), ids.view(-1)).backward();
    });
    for (auto& parameter : model.parameters()) parameter.mutable_grad().reset();
    if (i == 0) continue;
    forward.push_back(alone);
    step.push_back(whole);
  }
  return fmt::format(R"({{"mode": "{}", "threads": {}, "tokens": {}, "forward": {:.4f}, "step": {:.4f}}})",
                     arguments.mode, at::get_num_threads(), arguments.rows * arguments.width, median(forward),
                     median(step));
}

}  // namespace
}  // namespace drystill::language

int main(int argc, char** argv) {
  drystill::set_up_allocator();
  drystill::language::Arguments arguments;
  CLI::App app("Forward pass and training step of a language model");
  app.add_option("--rows", arguments.rows, "texts in the batch")->check(CLI::PositiveNumber);
  app.add_option("--width", arguments.width, "tokens of a text")->check(CLI::PositiveNumber);
  app.add_option("--layers", arguments.layers, "decoder layers")->check(CLI::PositiveNumber);
  app.add_option("--repeat", arguments.repeat, "timed repetitions")->check(CLI::PositiveNumber);
  app.add_option("--threads", arguments.threads, "threads, 0 for all cores");
  app.add_option("--mode", arguments.mode, "fp32, bf16, or mixed: bf16 activations, fp32 weights")
      ->check(CLI::IsMember({"fp32", "bf16", "mixed"}));
  app.add_flag("--checkpointing", arguments.checkpointing, "compute activations again in the backward pass");
  CLI11_PARSE(app, argc, argv);
  std::puts(drystill::language::measure(arguments).c_str());
}
